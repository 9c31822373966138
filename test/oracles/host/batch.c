/*
 * Executes batches of single instructions natively, each with the whole of its user-mode state: general registers, RFLAGS,
 * x87, MXCSR, YMM registers and two windows of memory; and tells the state behind each.
 *
 * All of a batch runs inside one chain of signals: the handler of the trap (RFLAGS.TF) or fault behind one instruction stores
 * what the kernel saved and replaces it by the state of the next, which returning from the handler loads. 64-bit code runs as
 * it is, 32-bit code through the kernel's flat segments, 16-bit code through segments of a local descriptor table.
 *
 * The layout of a record is that of test/conform/host/record.ts, of a batch that of test/conform/host/native.ts. The memory is
 * the same as there; behind each instruction its two windows are filled with FILLER, so that at the end of a batch anything
 * else shows. Runs on x86-64 Linux with AVX only.
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

#define A_BYTES 128
#define B_BYTES 320
#define FILLER 0xa5

struct record {
  uint64_t gpr[16]; /* in encoding order */
  uint64_t rip, flags, fs_base, gs_base;
  uint8_t st[8][16];
  uint16_t control, status, tags, unused;
  uint32_t mxcsr, trap, error, steps;
  uint64_t address;
  uint8_t ymm[16][32];
  uint32_t a_at, a_bytes, b_at, b_bytes;
  uint8_t a[A_BYTES], b[B_BYTES];
};

enum { CODE, DATA, STACK, WINDOWS };
/* `read_only_from` and `absent_from` are where the window's last pages are read-only, or missing. */
struct window {
  uint32_t at, bytes, read_only_from, absent_from;
};
enum { ES, CS, SS, DS, FS, GS, SEGMENTS };
struct segment {
  uint32_t base, limit, rights;
};
struct world {
  struct window windows[WINDOWS];
  struct segment segments[SEGMENTS]; /* of 16-bit code */
};
struct batch {
  uint32_t bits, cases, code_bytes, unused;
};

static const int GREG_OF[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
#define TF 0x100
#define USER_CS32 0x23
#define USER_CS64 0x33
#define USER_DS 0x2b
#define DEBUG_TRAP 1
/* In an XSAVE area (SDM Vol. 1, "XSAVE Area" 13.4). */
#define XMM 160
#define XSTATE_BV 512
#define YMM_HIGH 576
#define X87_SSE_AVX 7

static struct world world;
static struct batch batch;
static struct record *records, *current, *end;
static ucontext_t home;
static uint8_t home_fpu[16384];
static uint64_t home_fs;
static uint16_t selectors[SEGMENTS], ldt_selectors[SEGMENTS];
static uint64_t fs_now, gs_now;

static long set_base(long which, uint64_t base) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(SYS_arch_prctl), "D"(which), "S"(base) : "rcx", "r11", "memory");
  return result;
}

static void load_segments(const struct record *r) {
  __asm__ volatile("mov %0, %%ds; mov %1, %%es" : : "r"(selectors[DS]), "r"(selectors[ES]));
  if (batch.bits == 64) {
    if (gs_now != r->gs_base) set_base(ARCH_SET_GS, gs_now = r->gs_base);
    if (fs_now != r->fs_base) set_base(ARCH_SET_FS, fs_now = r->fs_base);
  } else {
    __asm__ volatile("mov %0, %%gs" : : "r"(selectors[GS]));
    __asm__ volatile("mov %0, %%fs" : : "r"(selectors[FS]));
  }
}

/* No library function that is not inlined: FS is the guest's here. */
static void copy(void *to, const void *from, uint64_t bytes) {
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
}
static void fill(void *to, uint64_t bytes) {
  __asm__ volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(FILLER) : "memory");
}

static void load(ucontext_t *context, struct record *r) {
  greg_t *gregs = context->uc_mcontext.gregs;
  for (int i = 0; i < 16; i++) gregs[GREG_OF[i]] = r->gpr[i];
  gregs[REG_RIP] = r->rip;
  gregs[REG_EFL] = r->flags | TF;
  gregs[REG_CSGSFS] = (uint64_t)selectors[CS] | (uint64_t)selectors[SS] << 48;
  uint8_t *fpu = (uint8_t *)context->uc_mcontext.fpregs;
  __builtin_memcpy(fpu, &r->control, 4);
  fpu[4] = r->tags;
  __builtin_memcpy(fpu + 24, &r->mxcsr, 4);
  copy(fpu + 32, r->st, sizeof r->st);
  for (int i = 0; i < 16; i++) {
    __builtin_memcpy(fpu + XMM + 16 * i, r->ymm[i], 16);
    __builtin_memcpy(fpu + YMM_HIGH + 16 * i, r->ymm[i] + 16, 16);
  }
  *(uint64_t *)(fpu + XSTATE_BV) |= X87_SSE_AVX;
  copy((void *)(uintptr_t)r->a_at, r->a, r->a_bytes);
  copy((void *)(uintptr_t)r->b_at, r->b, r->b_bytes);
  load_segments(r);
}

static void store(ucontext_t *context, struct record *r) {
  greg_t *gregs = context->uc_mcontext.gregs;
  r->trap = gregs[REG_TRAPNO];
  r->error = gregs[REG_ERR];
  r->address = gregs[REG_CR2];
  for (int i = 0; i < 16; i++) r->gpr[i] = gregs[GREG_OF[i]];
  r->rip = gregs[REG_RIP];
  r->flags = gregs[REG_EFL] & ~TF;
  uint8_t *fpu = (uint8_t *)context->uc_mcontext.fpregs;
  __builtin_memcpy(&r->control, fpu, 4);
  r->tags = fpu[4];
  __builtin_memcpy(&r->mxcsr, fpu + 24, 4);
  copy(r->st, fpu + 32, sizeof r->st);
  int high = (*(uint64_t *)(fpu + XSTATE_BV) & 4) != 0;
  for (int i = 0; i < 16; i++) {
    __builtin_memcpy(r->ymm[i], fpu + XMM + 16 * i, 16);
    if (high) __builtin_memcpy(r->ymm[i] + 16, fpu + YMM_HIGH + 16 * i, 16);
    else *(uint64_t *)(r->ymm[i] + 16) = *(uint64_t *)(r->ymm[i] + 24) = 0;
  }
  copy(r->a, (void *)(uintptr_t)r->a_at, r->a_bytes);
  copy(r->b, (void *)(uintptr_t)r->b_at, r->b_bytes);
  fill((void *)(uintptr_t)r->a_at, r->a_bytes);
  fill((void *)(uintptr_t)r->b_at, r->b_bytes);
}

static void enter(int signal, siginfo_t *info, void *raw) {
  (void)signal, (void)info;
  ucontext_t *context = raw;
  copy(home.uc_mcontext.gregs, context->uc_mcontext.gregs, sizeof home.uc_mcontext.gregs);
  copy(home_fpu, context->uc_mcontext.fpregs, YMM_HIGH + 256);
  load(context, current);
}

static void leave(int signal, siginfo_t *info, void *raw) {
  (void)signal, (void)info;
  /* The instruction may have set NT, AC and ID, which returning from a signal does not reset. */
  __asm__ volatile("pushfq; andq $~0x244000, (%%rsp); popfq" : : : "cc", "memory");
  ucontext_t *context = raw;
  greg_t *gregs = context->uc_mcontext.gregs;
  /* A repeated string instruction traps behind each iteration. */
  if (current->steps > 1 && gregs[REG_TRAPNO] == DEBUG_TRAP && (uint64_t)gregs[REG_RIP] == current->rip) {
    current->steps--;
    /* The kernel has loaded its own. */
    load_segments(current);
    return;
  }
  store(context, current);
  if (++current < end) {
    load(context, current);
    return;
  }
  set_base(ARCH_SET_FS, fs_now = home_fs);
  copy(gregs, home.uc_mcontext.gregs, sizeof home.uc_mcontext.gregs);
  copy(context->uc_mcontext.fpregs, home_fpu, YMM_HIGH + 256);
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

/* Access rights are in the VMCS format: type 3:0, P 7, D/B 14, G 15. */
static uint16_t ldt_segment(int index, const struct segment *segment) {
  struct user_desc wanted;
  memset(&wanted, 0, sizeof wanted);
  uint32_t type = segment->rights & 15;
  wanted.entry_number = index + 1;
  wanted.base_addr = segment->base;
  wanted.limit = segment->limit;
  wanted.contents = type >> 2;
  wanted.read_exec_only = (type & 2) == 0;
  if (syscall(SYS_modify_ldt, 1, &wanted, sizeof wanted) != 0) fail("modify_ldt");
  return (index + 1) << 3 | 7;
}

static int get(void *into, size_t bytes) { return fread(into, bytes, 1, stdin) == 1; }
static void put(const void *from, size_t bytes) {
  if (bytes != 0 && fwrite(from, bytes, 1, stdout) != 1) fail("write");
}

static void map_windows(void) {
  for (int i = 0; i < WINDOWS; i++) {
    struct window *w = &world.windows[i];
    size_t mapped = w->absent_from - w->at;
    int protection = PROT_READ | PROT_WRITE | (i == CODE ? PROT_EXEC : 0);
    void *got = mmap((void *)(uintptr_t)w->at, mapped, protection,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_POPULATE, -1, 0);
    if (got != (void *)(uintptr_t)w->at) fail("mmap");
    memset(got, FILLER, mapped);
    if (w->read_only_from < w->absent_from &&
        mprotect((void *)(uintptr_t)w->read_only_from, w->absent_from - w->read_only_from, PROT_READ) != 0)
      fail("mprotect");
  }
}

/* The bytes of the writable windows that are not FILLER, as pairs of address and value; at most one page of them. */
static void put_strays(void) {
  static uint32_t strays[1024];
  uint32_t count = 0;
  for (int i = DATA; i < WINDOWS; i++) {
    struct window *w = &world.windows[i];
    for (uint32_t at = w->at; at < w->read_only_from && at < w->absent_from; at++) {
      uint8_t *byte = (uint8_t *)(uintptr_t)at;
      if (*byte == FILLER) continue;
      if (count < 1024) strays[count++] = at, strays[count++] = *byte;
      *byte = FILLER;
    }
  }
  put(&count, sizeof count);
  put(strays, count * sizeof *strays);
}

int main(void) {
  static uint8_t stack[262144];
  stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
  if (sigaltstack(&alternate, NULL) != 0) fail("sigaltstack");
  if (syscall(SYS_arch_prctl, ARCH_GET_FS, &home_fs) != 0) fail("arch_prctl");
  if (!get(&world, sizeof world)) fail("world");
  struct sigaction action = {.sa_sigaction = enter, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigaction(SIGUSR1, &action, NULL);
  action.sa_sigaction = leave;
  static const int traps[] = {SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
  for (unsigned i = 0; i < sizeof traps / sizeof *traps; i++) sigaction(traps[i], &action, NULL);
  map_windows();
  for (int i = 0; i < SEGMENTS; i++) ldt_selectors[i] = ldt_segment(i, &world.segments[i]);

  while (get(&batch, sizeof batch)) {
    const struct window *code = &world.windows[CODE];
    if (batch.code_bytes > code->absent_from - code->at) fail("code");
    if (!get((void *)(uintptr_t)code->at, batch.code_bytes)) fail("code");
    records = realloc(records, batch.cases * sizeof *records);
    if (records == NULL || !get(records, batch.cases * sizeof *records)) fail("records");
    for (int i = 0; i < SEGMENTS; i++) {
      uint16_t flat = i == CS ? (batch.bits == 64 ? USER_CS64 : USER_CS32) : USER_DS;
      selectors[i] = batch.bits == 16 ? ldt_selectors[i] : flat;
    }
    current = records;
    end = records + batch.cases;
    fs_now = home_fs;
    gs_now = -1;
    if (batch.cases != 0) raise(SIGUSR1);
    put(records, batch.cases * sizeof *records);
    put_strays();
    fflush(stdout);
  }
  return 0;
}
