/* The processors: what each has of its own, how they are started, their local APICs. */
#include "hardware.h"
#include "kernel.h"

#define TRAMPOLINE 0x8000u
#define LOCAL_APIC 0xfee00000u
#define APIC_ID 0x20
#define APIC_END_OF_INTERRUPT 0xb0
#define APIC_SPURIOUS 0xf0
#define APIC_COMMAND 0x300
#define APIC_COMMAND_TO 0x310
#define APIC_TIMER 0x320
#define APIC_INITIAL_COUNT 0x380
#define APIC_DIVIDE 0x3e0
#define ENABLED 0x100
#define PERIODIC 0x20000
#define DIVIDE_BY_ONE 11
#define SENDING 0x1000
#define INIT 0x4500
#define START_UP 0x4600
#define TO_ALL_OTHERS 0xc0000

#define FW_CFG_SELECT 0x510
#define FW_CFG_DATA 0x511
#define FW_CFG_PROCESSORS 5

/* Pulses of the timer between two turns of processes. */
#define TIME_SLICE 200000u

#define OWN_DATA 0x28
#define TASK 0x30

extern char trampoline[], trampoline_end[], trampoline_stack[], trampoline_directory[];

struct processor processors[MOST_PROCESSORS];
uint32_t processor_count;
volatile uint32_t processors_used;
static volatile uint32_t processors_running;
static volatile uint32_t locked_counter, free_counter;
static struct lock counter_lock;

void take(struct lock *lock) {
  uint32_t ticket = fetch_and_add(&lock->next_ticket, 1);
  while (lock->serving != ticket) pause();
}

/* Only the holder writes `serving`, and stores are seen in order. */
void give(struct lock *lock) {
  __asm__ volatile("" : : : "memory");
  lock->serving++;
}

static volatile uint32_t *apic(uint32_t offset) { return (volatile uint32_t *)(LOCAL_APIC + offset); }

void end_of_interrupt(void) { *apic(APIC_END_OF_INTERRUPT) = 0; }

static void command(uint32_t to, uint32_t what) {
  *apic(APIC_COMMAND_TO) = to << 24;
  *apic(APIC_COMMAND) = what;
  while ((*apic(APIC_COMMAND) & SENDING) != 0) pause();
}

void wake_other_processors(void) {
  if (processor_count > 1) command(0, TO_ALL_OTHERS | 0x4000 | VECTOR_WAKE);
}

static uint64_t segment(uint32_t base, uint32_t limit, uint32_t rights) {
  return (uint64_t)(limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)(rights & 0xf0ff) << 40 |
         (uint64_t)(limit >> 16 & 15) << 48 | (uint64_t)(base >> 24) << 56;
}

/* The descriptor table of this processor, with its own data at GS and its own task segment. */
static void load_own_descriptors(struct processor *self) {
  struct __attribute__((packed)) {
    uint16_t limit;
    uint32_t base;
  } table = {sizeof self->descriptors - 1, (uint32_t)self->descriptors};
  self->descriptors[1] = segment(0, 0xfffff, 0xc09b);
  self->descriptors[2] = segment(0, 0xfffff, 0xc093);
  self->descriptors[3] = segment(0, 0xfffff, 0xc0fb);
  self->descriptors[4] = segment(0, 0xfffff, 0xc0f3);
  self->descriptors[OWN_DATA / 8] = segment((uint32_t)self, sizeof *self - 1, 0x4093);
  self->descriptors[TASK / 8] = segment((uint32_t)&self->task, sizeof self->task - 1, 0x0089);
  self->task.ss0 = 0x10;
  /* The bit map of ports would begin behind the segment: programs may use none. */
  self->task.unused[22] = sizeof self->task << 16;
  __asm__ volatile(
      "lgdt %0\n\t"
      "ljmp $8, $1f\n"
      "1:\n\t"
      "movl $0x10, %%eax\n\t"
      "movl %%eax, %%ds\n\t"
      "movl %%eax, %%es\n\t"
      "movl %%eax, %%ss\n\t"
      "movl $0x28, %%eax\n\t"
      "movl %%eax, %%gs\n\t"
      "movl $0x30, %%eax\n\t"
      "ltr %%ax"
      :
      : "m"(table)
      : "eax", "memory");
}

static void begin_here(void) {
  uint32_t index = *apic(APIC_ID) >> 24;
  struct processor *self = &processors[index];
  self->self = self;
  self->index = index;
  load_own_descriptors(self);
  load_traps();
  *apic(APIC_SPURIOUS) = ENABLED | VECTOR_SPURIOUS;
}

static void begin_timer(void) {
  *apic(APIC_DIVIDE) = DIVIDE_BY_ONE;
  *apic(APIC_TIMER) = PERIODIC | VECTOR_TIMER;
  *apic(APIC_INITIAL_COUNT) = TIME_SLICE;
}

/* All count together, once under a lock and once by LOCK alone: nothing may be lost. */
#define COUNTS 500u
static void count_together(void) {
  for (uint32_t count = 0; count < COUNTS; count++) {
    take(&counter_lock);
    locked_counter = locked_counter + 1;
    give(&counter_lock);
    fetch_and_add(&free_counter, 1);
  }
}

void processors_begin(void) {
  out16(FW_CFG_SELECT, FW_CFG_PROCESSORS);
  processor_count = in8(FW_CFG_DATA);
  if (processor_count > MOST_PROCESSORS) panic("more processors than expected", processor_count);
  /* The 8259 pair stays silent. */
  out8(0x21, 0xff);
  out8(0xa1, 0xff);
  begin_here();
}

/* Where the others arrive, each on a stack of its own. */
void processor_main(void) {
  begin_here();
  fetch_and_add(&processors_running, 1);
  count_together();
  fetch_and_add(&processors_running, 1u << 8);
  begin_timer();
  schedule_forever();
}

void start_processors(void) {
  for (uint32_t byte = 0; byte < (uint32_t)(trampoline_end - trampoline); byte++)
    ((volatile char *)TRAMPOLINE)[byte] = trampoline[byte];
  volatile uint32_t *stack = (volatile uint32_t *)(TRAMPOLINE + (trampoline_stack - trampoline));
  volatile uint32_t *directory = (volatile uint32_t *)(TRAMPOLINE + (trampoline_directory - trampoline));
  *directory = (uint32_t)kernel_directory();
  for (uint32_t index = 1; index < processor_count; index++) {
    *stack = (uint32_t)new_page() + PAGE_BYTES;
    command(index, INIT);
    for (uint32_t wait = 0; wait < 1000; wait++) pause();
    command(index, START_UP | TRAMPOLINE / PAGE_BYTES);
    while ((processors_running & 0xff) != index) pause();
  }
  count_together();
  while (processors_running >> 8 != processor_count - 1) pause();
  uint32_t wanted = COUNTS * processor_count;
  print("counted together: %s\n", locked_counter == wanted && free_counter == wanted ? "nothing lost" : "WRONG");
  begin_timer();
}
