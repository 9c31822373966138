/* What the parts of the kernel know of each other. */
#ifndef KERNEL_H
#define KERNEL_H

#include <stddef.h>
#include <stdint.h>

#define PAGE_BYTES 4096u
#define MOST_PROCESSORS 8u
#define MOST_PROCESSES 32u
#define MOST_DESCRIPTORS 8u
#define KERNEL_STACK_BYTES PAGE_BYTES

/* The address space of a process: text that all share, a heap that grows, a stack. The kernel is below, for itself alone. */
#define USER_TEXT 0x40000000u
#define USER_HEAP 0x50000000u
#define USER_STACK_TOP 0x60000000u
#define USER_STACK_BYTES (2 * PAGE_BYTES)
#define USER_END USER_STACK_TOP

/* Locks: who comes first is served first. */
struct lock {
  volatile uint32_t next_ticket;
  volatile uint32_t serving;
};
void take(struct lock *lock);
void give(struct lock *lock);

/* Console. */
void console_begin(void);
void write_console(const char *text, uint32_t length);
void print(const char *format, ...);
void end_machine(uint32_t status) __attribute__((noreturn));
void panic(const char *what, uint32_t detail) __attribute__((noreturn));

/* Memory. */
void memory_begin(void);
void *new_page(void);
void free_page(void *page);
uint32_t *new_directory(void);
uint32_t *kernel_directory(void);
/* Maps a page of user memory, or finds the one that is mapped; NULL where there is none and `make` is 0. */
void *user_page(uint32_t *directory, uint32_t address, int make);
void copy_user_memory(uint32_t *to, uint32_t *from);
void free_directory(uint32_t *directory);
uint32_t free_pages(void);

/* What a trap leaves on the kernel stack: pushed by start.asm and, from `eip` on, by the processor. */
struct frame {
  uint32_t edi, esi, ebp, unused_esp, ebx, edx, ecx, eax;
  uint32_t gs, es, ds;
  uint32_t vector, error;
  uint32_t eip, cs, eflags, esp, ss;
};

/* Processors. */
struct process;
struct task_segment {
  uint32_t link, esp0, ss0;
  uint32_t unused[23];
};
struct processor {
  struct processor *self;
  uint32_t index;
  struct process *running;
  /* Stack pointer of the scheduler while a process runs. */
  uint32_t scheduler_stack;
  uint32_t timer_interrupts;
  struct task_segment task;
  uint64_t descriptors[7];
};
extern struct processor processors[MOST_PROCESSORS];
extern uint32_t processor_count;
/* Bit i: processor i has run a process. */
extern volatile uint32_t processors_used;
void processors_begin(void);
void start_processors(void);
void wake_other_processors(void);
void end_of_interrupt(void);
static inline struct processor *this_processor(void) {
  struct processor *self;
  __asm__ volatile("movl %%gs:0, %0" : "=r"(self));
  return self;
}

/* Traps. */
#define VECTOR_PAGE_FAULT 14
#define VECTOR_TIMER 32
#define VECTOR_WAKE 33
#define VECTOR_SYSTEM_CALL 48
#define VECTOR_SPURIOUS 63
void traps_begin(void);
void load_traps(void);

/* Pipes. */
struct pipe;
struct pipe *new_pipe(void);
void share_pipe(struct pipe *pipe, int writes);
void close_pipe(struct pipe *pipe, int writes);
int read_pipe(struct pipe *pipe, char *to, uint32_t length);
int write_pipe(struct pipe *pipe, const char *from, uint32_t length);

/* Processes. */
struct descriptor {
  /* NULL: closed; the console where `console` is set. */
  struct pipe *pipe;
  uint8_t writes;
  uint8_t console;
};
enum process_state { FREE, STARTING, READY, RUNNING, WAITING, ENDED };
struct process {
  enum process_state state;
  uint32_t id;
  struct process *parent;
  int status;
  /* What it waits for, while it does. */
  void *channel;
  uint32_t *directory;
  uint8_t *kernel_stack;
  uint32_t saved_stack;
  struct frame *frame;
  uint32_t heap_end;
  struct descriptor descriptors[MOST_DESCRIPTORS];
};
void first_process(void);
void schedule_forever(void) __attribute__((noreturn));
void give_way(void);
/* Lets go of the lock, waits until somebody wakes the channel, and takes the lock again. */
void wait_on(void *channel, struct lock *held);
void wake(void *channel);
int fork_process(void);
void end_process(int status) __attribute__((noreturn));
int wait_for_child(int *status);
int grow_heap(int32_t bytes);
int new_descriptor(struct pipe *pipe, int writes);
struct descriptor *descriptor_at(uint32_t number);
void close_descriptor(struct descriptor *descriptor);

#endif
