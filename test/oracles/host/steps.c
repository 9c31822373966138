/*
 * Executes single instructions natively and tells what they did.
 *
 * Each case is entered by returning from a signal handler whose saved context has been replaced, with RFLAGS.TF set, so that
 * the processor traps behind the instruction; the trap's (or the fault's) handler keeps what the kernel saved and goes back.
 * 64-bit, 32-bit and 16-bit code run alike: 32-bit code through the kernel's own flat segments, everything else through
 * segments of a local descriptor table. Runs on x86-64 Linux only.
 *
 * Reads records (struct request, then its cells) from standard input and writes struct reply, then its changes, for each.
 */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <asm/prctl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

/* The memory that a case may touch: the same as in test/instructions/environment.ts, which passes it in. */
struct window {
  uint32_t at, bytes, read_only_from, absent_from;
};
#define WINDOWS 3

struct segment {
  uint32_t base, limit, rights, used;
};
enum { ES, CS, SS, DS, FS, GS, SEGMENTS };

struct request {
  uint32_t bits, code_bytes;
  uint64_t code_at;
  uint8_t code[16];
  uint64_t gpr[16]; /* in encoding order */
  uint64_t rip, flags, fs_base, gs_base;
  struct segment segments[SEGMENTS];
  uint32_t most_steps, cells;
};
struct cell {
  uint32_t at, value;
};
struct reply {
  uint32_t trap, error;
  uint64_t address;
  uint64_t gpr[16], rip, flags;
  uint32_t steps, changes;
};

static const int GREG_OF[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
#define TF 0x100
#define USER_CS32 0x23
#define USER_CS64 0x33
#define USER_DS 0x2b
#define DEBUG_TRAP 1

static struct window windows[WINDOWS];
static uint8_t *pristine[WINDOWS];
static struct request request;
static struct reply reply;
static ucontext_t home;
static uint64_t home_fs;
static uint16_t selectors[SEGMENTS];

/* FS may belong to the guest: no thread-local storage, and so no errno, before this has run. */
static long set_base(long which, uint64_t base) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(SYS_arch_prctl), "D"(which), "S"(base) : "rcx", "r11", "memory");
  return result;
}

static void enter(int signal, siginfo_t *info, void *raw) {
  (void)signal, (void)info;
  ucontext_t *context = raw;
  greg_t *gregs = context->uc_mcontext.gregs;
  memcpy(home.uc_mcontext.gregs, gregs, sizeof home.uc_mcontext.gregs);
  for (int i = 0; i < 16; i++) gregs[GREG_OF[i]] = request.gpr[i];
  gregs[REG_RIP] = request.rip;
  gregs[REG_EFL] = request.flags | TF;
  uint64_t cs_gs_fs_ss = (uint64_t)selectors[CS] | (uint64_t)selectors[SS] << 48;
  gregs[REG_CSGSFS] = cs_gs_fs_ss;
  __asm__ volatile("mov %0, %%ds; mov %1, %%es" : : "r"(selectors[DS]), "r"(selectors[ES]));
  if (request.bits == 64) {
    set_base(ARCH_SET_GS, request.gs_base);
    set_base(ARCH_SET_FS, request.fs_base);
  } else {
    __asm__ volatile("mov %0, %%gs" : : "r"(selectors[GS]));
    __asm__ volatile("mov %0, %%fs" : : "r"(selectors[FS]));
  }
}

static void leave(int signal, siginfo_t *info, void *raw) {
  (void)signal, (void)info;
  set_base(ARCH_SET_FS, home_fs);
  ucontext_t *context = raw;
  greg_t *gregs = context->uc_mcontext.gregs;
  reply.steps++;
  /* A repeated string instruction traps behind each iteration. */
  int trapped = gregs[REG_TRAPNO] == DEBUG_TRAP;
  if (trapped && (uint64_t)gregs[REG_RIP] == request.rip && reply.steps < request.most_steps) {
    if (request.bits == 64) set_base(ARCH_SET_FS, request.fs_base);
    else __asm__ volatile("mov %0, %%fs" : : "r"(selectors[FS]));
    return;
  }
  reply.trap = gregs[REG_TRAPNO];
  reply.error = gregs[REG_ERR];
  reply.address = gregs[REG_CR2];
  for (int i = 0; i < 16; i++) reply.gpr[i] = gregs[GREG_OF[i]];
  reply.rip = gregs[REG_RIP];
  reply.flags = gregs[REG_EFL];
  memcpy(gregs, home.uc_mcontext.gregs, sizeof home.uc_mcontext.gregs);
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

/* Access rights are in the VMCS format: type 3:0, P 7, D/B 14, G 15. */
static uint16_t ldt_segment(int index, const struct segment *segment) {
  static struct user_desc installed[SEGMENTS];
  struct user_desc wanted;
  memset(&wanted, 0, sizeof wanted);
  uint32_t type = segment->rights & 15;
  int paged = (segment->rights & 1 << 15) != 0;
  wanted.entry_number = index + 1;
  wanted.base_addr = segment->base;
  wanted.limit = paged ? segment->limit >> 12 : segment->limit;
  wanted.limit_in_pages = paged;
  wanted.seg_32bit = (segment->rights & 1 << 14) != 0;
  wanted.contents = type >> 2;
  wanted.read_exec_only = (type & 2) == 0;
  if (memcmp(&wanted, &installed[index], sizeof wanted) != 0) {
    if (syscall(SYS_modify_ldt, 1, &wanted, sizeof wanted) != 0) fail("modify_ldt");
    installed[index] = wanted;
  }
  return (index + 1) << 3 | 7;
}

static int get(void *into, size_t bytes) { return fread(into, bytes, 1, stdin) == 1; }
static void put(const void *from, size_t bytes) {
  if (fwrite(from, bytes, 1, stdout) != 1) fail("write");
}

static void map_windows(void) {
  if (!get(windows, sizeof windows)) fail("windows");
  for (int i = 0; i < WINDOWS; i++) {
    struct window *w = &windows[i];
    size_t mapped = w->absent_from - w->at;
    /* The first window holds code, the others must not be executed. */
    int protection = PROT_READ | PROT_WRITE | (i == 0 ? PROT_EXEC : 0);
    void *got = mmap((void *)(uintptr_t)w->at, mapped, protection,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_POPULATE, -1, 0);
    if (got != (void *)(uintptr_t)w->at) fail("mmap");
    if (!get(got, mapped)) fail("window contents");
    pristine[i] = malloc(mapped);
    memcpy(pristine[i], got, mapped);
    if (w->read_only_from < w->absent_from &&
        mprotect((void *)(uintptr_t)w->read_only_from, w->absent_from - w->read_only_from, PROT_READ) != 0)
      fail("mprotect");
  }
}

static struct window *window_of(uint32_t address) {
  for (int i = 0; i < WINDOWS; i++)
    if (address >= windows[i].at && address < windows[i].absent_from) return &windows[i];
  fprintf(stderr, "cell %x is in no window\n", address);
  exit(1);
}

static void write_byte(uint32_t address, uint8_t value) {
  struct window *w = window_of(address);
  int locked = address >= w->read_only_from;
  void *page = (void *)(uintptr_t)(address & ~4095u);
  if (locked && mprotect(page, 4096, PROT_READ | PROT_WRITE) != 0) fail("mprotect");
  *(uint8_t *)(uintptr_t)address = value;
  if (locked && mprotect(page, 4096, PROT_READ) != 0) fail("mprotect");
}

int main(void) {
  static uint8_t stack[65536];
  stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
  if (sigaltstack(&alternate, NULL) != 0) fail("sigaltstack");
  if (syscall(SYS_arch_prctl, ARCH_GET_FS, &home_fs) != 0) fail("arch_prctl");
  struct sigaction action = {.sa_sigaction = enter, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigaction(SIGUSR1, &action, NULL);
  action.sa_sigaction = leave;
  static const int traps[] = {SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
  for (unsigned i = 0; i < sizeof traps / sizeof *traps; i++) sigaction(traps[i], &action, NULL);
  map_windows();

  static struct cell cells[4096], changes[65536];
  while (get(&request, sizeof request)) {
    if (request.cells > 4096 || request.code_bytes > 16) fail("request");
    if (request.cells != 0 && !get(cells, request.cells * sizeof *cells)) fail("cells");
    for (uint32_t i = 0; i < request.cells; i++) write_byte(cells[i].at, cells[i].value);
    for (uint32_t i = 0; i < request.code_bytes; i++) write_byte(request.code_at + i, request.code[i]);
    for (int i = 0; i < SEGMENTS; i++) selectors[i] = USER_DS;
    selectors[CS] = request.bits == 64 ? USER_CS64 : USER_CS32;
    for (int i = 0; i < SEGMENTS; i++)
      if (request.segments[i].used) selectors[i] = ldt_segment(i, &request.segments[i]);

    memset(&reply, 0, sizeof reply);
    raise(SIGUSR1);

    /* Code and cells are part of what was there before; they are put back with the rest. */
    uint32_t count = 0;
    for (int i = 0; i < WINDOWS; i++) {
      struct window *w = &windows[i];
      uint8_t *now = (uint8_t *)(uintptr_t)w->at;
      uint32_t bytes = w->absent_from - w->at;
      for (uint32_t page = 0; page < bytes; page += 4096) {
        if (memcmp(now + page, pristine[i] + page, 4096) == 0) continue;
        for (uint32_t at = page; at < page + 4096; at++)
          if (now[at] != pristine[i][at]) changes[count++] = (struct cell){w->at + at, now[at]};
      }
    }
    reply.changes = count;
    put(&reply, sizeof reply);
    if (count != 0) put(changes, count * sizeof *changes);
    for (uint32_t i = 0; i < count; i++) {
      for (int k = 0; k < WINDOWS; k++)
        if (changes[i].at >= windows[k].at && changes[i].at < windows[k].absent_from)
          write_byte(changes[i].at, pristine[k][changes[i].at - windows[k].at]);
    }
  }
  return 0;
}
