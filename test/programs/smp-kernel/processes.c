/* Processes: their table, the scheduler that every processor runs, and how they begin, wait and end. */
#include "hardware.h"
#include "kernel.h"

#define USER_CODE 0x1b
#define USER_DATA 0x23
#define INTERRUPTS_ON 0x202

void switch_stacks(uint32_t *save, uint32_t load);
void first_return(void);
void user_main(void);

/* Whoever changes the state of a process holds it, also across the switch from and to the scheduler. */
static struct lock table_lock;
static struct process table[MOST_PROCESSES];
static uint32_t last_id;

/* A process with a kernel stack that leads to user mode, not yet ready; NULL where the table is full. */
static struct process *new_process(void) {
  take(&table_lock);
  for (struct process *process = table; process < table + MOST_PROCESSES; process++) {
    if (process->state != FREE) continue;
    process->state = STARTING;
    process->id = ++last_id;
    give(&table_lock);
    process->kernel_stack = new_page();
    process->directory = new_directory();
    process->frame = (struct frame *)(process->kernel_stack + KERNEL_STACK_BYTES) - 1;
    /* What `switch_stacks` takes: four registers and where to go on. */
    uint32_t *saved = (uint32_t *)process->frame - 5;
    saved[4] = (uint32_t)first_return;
    process->saved_stack = (uint32_t)saved;
    return process;
  }
  give(&table_lock);
  return NULL;
}

static void make_ready(struct process *process) {
  take(&table_lock);
  process->state = READY;
  give(&table_lock);
  wake_other_processors();
}

void first_process(void) {
  struct process *process = new_process();
  for (uint32_t page = USER_STACK_TOP - USER_STACK_BYTES; page < USER_STACK_TOP; page += PAGE_BYTES)
    user_page(process->directory, page, 1);
  *process->frame = (struct frame){.ds = USER_DATA, .es = USER_DATA, .gs = USER_DATA, .cs = USER_CODE, .ss = USER_DATA};
  process->frame->eip = (uint32_t)user_main;
  process->frame->esp = USER_STACK_TOP - 4;
  process->frame->eflags = INTERRUPTS_ON;
  process->heap_end = USER_HEAP;
  process->descriptors[1] = (struct descriptor){.writes = 1, .console = 1};
  make_ready(process);
}

/* The next process that is ready, behind the one that this processor ran last. */
static struct process *choose(uint32_t *last) {
  for (uint32_t step = 1; step <= MOST_PROCESSES; step++) {
    struct process *process = &table[(*last + step) % MOST_PROCESSES];
    if (process->state != READY) continue;
    *last = (uint32_t)(process - table);
    return process;
  }
  return NULL;
}

void schedule_forever(void) {
  struct processor *self = this_processor();
  uint32_t last = self->index;
  for (;;) {
    take(&table_lock);
    struct process *chosen = choose(&last);
    if (chosen != NULL) {
      chosen->state = RUNNING;
      self->running = chosen;
      self->task.esp0 = (uint32_t)chosen->kernel_stack + KERNEL_STACK_BYTES;
      set_bit(&processors_used, self->index);
      load_page_directory((uint32_t)chosen->directory);
      switch_stacks(&self->scheduler_stack, chosen->saved_stack);
      /* Its directory may be freed as soon as the table is given back. */
      load_page_directory((uint32_t)kernel_directory());
      self->running = NULL;
    }
    give(&table_lock);
    if (chosen == NULL) wait_for_interrupt();
  }
}

/* Back to the scheduler, with the table locked; returns when the process is chosen again, perhaps by another processor. */
static void leave(struct process *process, enum process_state state) {
  process->state = state;
  switch_stacks(&process->saved_stack, this_processor()->scheduler_stack);
}

/* A new process runs for the first time: the scheduler holds the table for it. */
void process_begins(void) { give(&table_lock); }

void give_way(void) {
  take(&table_lock);
  leave(this_processor()->running, READY);
  give(&table_lock);
}

void wait_on(void *channel, struct lock *held) {
  struct process *self = this_processor()->running;
  take(&table_lock);
  give(held);
  self->channel = channel;
  leave(self, WAITING);
  self->channel = NULL;
  give(&table_lock);
  take(held);
}

static void wake_locked(void *channel) {
  uint32_t woken = 0;
  for (struct process *process = table; process < table + MOST_PROCESSES; process++)
    if (process->state == WAITING && process->channel == channel) {
      process->state = READY;
      woken++;
    }
  if (woken != 0) wake_other_processors();
}

void wake(void *channel) {
  take(&table_lock);
  wake_locked(channel);
  give(&table_lock);
}

int fork_process(void) {
  struct process *self = this_processor()->running;
  struct process *child = new_process();
  if (child == NULL) return -1;
  int id = (int)child->id;
  copy_user_memory(child->directory, self->directory);
  *child->frame = *self->frame;
  child->frame->eax = 0;
  child->heap_end = self->heap_end;
  child->parent = self;
  for (uint32_t number = 0; number < MOST_DESCRIPTORS; number++) {
    child->descriptors[number] = self->descriptors[number];
    struct pipe *pipe = child->descriptors[number].pipe;
    if (pipe != NULL) share_pipe(pipe, child->descriptors[number].writes);
  }
  make_ready(child);
  return id;
}

void end_process(int status) {
  struct process *self = this_processor()->running;
  for (uint32_t number = 0; number < MOST_DESCRIPTORS; number++) close_descriptor(&self->descriptors[number]);
  take(&table_lock);
  for (struct process *process = table; process < table + MOST_PROCESSES; process++)
    if (process->state != FREE && process->parent == self) process->parent = self->parent;
  self->status = status;
  if (self->parent == NULL) panic("the first process has ended", (uint32_t)status);
  wake_locked(self->parent);
  leave(self, ENDED);
  __builtin_unreachable();
}

/* The id of a child that has ended, whose remains go; -1 where there is no child. */
int wait_for_child(int *status) {
  struct process *self = this_processor()->running;
  take(&table_lock);
  for (;;) {
    uint32_t children = 0;
    for (struct process *process = table; process < table + MOST_PROCESSES; process++) {
      if (process->state == FREE || process->parent != self) continue;
      children++;
      if (process->state != ENDED) continue;
      int id = (int)process->id;
      *status = process->status;
      free_directory(process->directory);
      free_page(process->kernel_stack);
      process->parent = NULL;
      process->state = FREE;
      give(&table_lock);
      return id;
    }
    if (children == 0) {
      give(&table_lock);
      return -1;
    }
    self->channel = self;
    leave(self, WAITING);
  }
}

/* The former end of the heap; -1 where it cannot be. */
int grow_heap(int32_t bytes) {
  struct process *self = this_processor()->running;
  uint32_t before = self->heap_end;
  uint32_t after = before + (uint32_t)bytes;
  if (bytes < 0 || after > USER_STACK_TOP - USER_STACK_BYTES - PAGE_BYTES) return -1;
  for (uint32_t page = before & ~(PAGE_BYTES - 1); page < after; page += PAGE_BYTES)
    user_page(self->directory, page, 1);
  self->heap_end = after;
  return (int)before;
}

struct descriptor *descriptor_at(uint32_t number) {
  struct descriptor *descriptor = &this_processor()->running->descriptors[number % MOST_DESCRIPTORS];
  int open = number < MOST_DESCRIPTORS && (descriptor->pipe != NULL || descriptor->console);
  return open ? descriptor : NULL;
}

int new_descriptor(struct pipe *pipe, int writes) {
  struct descriptor *descriptors = this_processor()->running->descriptors;
  for (uint32_t number = 0; number < MOST_DESCRIPTORS; number++) {
    if (descriptors[number].pipe != NULL || descriptors[number].console) continue;
    descriptors[number] = (struct descriptor){.pipe = pipe, .writes = (uint8_t)writes};
    return (int)number;
  }
  return -1;
}

void close_descriptor(struct descriptor *descriptor) {
  if (descriptor->pipe != NULL) close_pipe(descriptor->pipe, descriptor->writes);
  *descriptor = (struct descriptor){0};
}
