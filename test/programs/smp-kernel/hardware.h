/* Instructions that C has no words for. */
#ifndef HARDWARE_H
#define HARDWARE_H

#include <stdint.h>

static inline void out8(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
static inline void out16(uint16_t port, uint16_t value) { __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port)); }
static inline void out32(uint16_t port, uint32_t value) { __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port)); }

static inline uint8_t in8(uint16_t port) {
  uint8_t value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

static inline void pause(void) { __asm__ volatile("pause" : : : "memory"); }

/* Adds and returns what was there before, in one step for all processors. */
static inline uint32_t fetch_and_add(volatile uint32_t *where, uint32_t amount) {
  __asm__ volatile("lock xaddl %0, %1" : "+r"(amount), "+m"(*where) : : "memory");
  return amount;
}

static inline void set_bit(volatile uint32_t *where, uint32_t bit) {
  __asm__ volatile("lock btsl %1, %0" : "+m"(*where) : "r"(bit) : "memory", "cc");
}

static inline uint32_t read_cr2(void) {
  uint32_t value;
  __asm__ volatile("movl %%cr2, %0" : "=r"(value));
  return value;
}

static inline void load_page_directory(uint32_t physical) {
  __asm__ volatile("movl %0, %%cr3" : : "r"(physical) : "memory");
}

static inline void enable_paging(void) {
  uint32_t value;
  __asm__ volatile("movl %%cr4, %0\n\torl $0x10, %0\n\tmovl %0, %%cr4" : "=r"(value) : : "memory");
  __asm__ volatile("movl %%cr0, %0\n\torl $0x80010000, %0\n\tmovl %0, %%cr0" : "=r"(value) : : "memory");
}

/* An interrupt that is pending already ends the wait at once: STI holds it back until HLT has begun. */
static inline void wait_for_interrupt(void) { __asm__ volatile("sti\n\thlt\n\tcli" : : : "memory"); }

static inline void halt_for_good(void) {
  for (;;) __asm__ volatile("cli\n\thlt");
}

#endif
