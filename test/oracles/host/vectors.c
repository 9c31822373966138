/*
 * Executes single vector instructions natively: all of YMM0 to YMM15, MM0 to MM7, MXCSR, RFLAGS and some general registers in, the same out.
 *
 * Reads struct request records from standard input and writes a struct reply for each. A fault (SIGFPE for an unmasked
 * floating-point exception) is reported by its vector, with the registers as they were at that point. With the argument
 * `features` it prints the names that the processor has, one a line, and ends. Runs on x86-64 Linux with AVX only.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#define MEMORY_AT 0x20000
#define MEMORY_BYTES 64

struct state {
  uint8_t ymm[16][32];
  uint64_t rax, rcx, rdx, flags;
  uint32_t mxcsr, trap;
  uint8_t memory[MEMORY_BYTES];
  uint64_t mm[8];
};
struct request {
  uint8_t code[16];
  struct state state;
};

static struct request request;
uint8_t *code;
static volatile uint32_t trap;

/* void run(struct state *): enters the instruction with the state loaded, then saves it. */
void run(struct state *state);
__asm__(
    ".globl run\n"
    "run:\n"
    "push %rbx; push %rbp; push %r12; push %rdi\n"
    ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
    "vmovups \\n*32(%rdi), %ymm\\n\n"
    ".endr\n"
    ".irp n,0,1,2,3,4,5,6,7\n"
    "movq 616+\\n*8(%rdi), %mm\\n\n"
    ".endr\n"
    "ldmxcsr 544(%rdi)\n"
    "pushq 536(%rdi); popfq\n"
    "mov 512(%rdi), %rax; mov 520(%rdi), %rcx; mov 528(%rdi), %rdx\n"
    "mov code(%rip), %r12\n"
    "mov $0x20000, %esi; mov %esi, %edi\n"
    "call *%r12\n"
    "mov (%rsp), %rdi\n"
    "mov %rax, 512(%rdi); mov %rcx, 520(%rdi); mov %rdx, 528(%rdi)\n"
    "pushfq; popq 536(%rdi); cld\n"
    "stmxcsr 544(%rdi)\n"
    ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
    "vmovups %ymm\\n, \\n*32(%rdi)\n"
    ".endr\n"
    ".irp n,0,1,2,3,4,5,6,7\n"
    "movq %mm\\n, 616+\\n*8(%rdi)\n"
    ".endr\n"
    "emms; vzeroupper\n"
    "movl $0x1f80, -8(%rsp); ldmxcsr -8(%rsp)\n"
    "pop %rdi; pop %r12; pop %rbp; pop %rbx\n"
    "ret\n");

/* Returns from the instruction as if it had completed: it is the first thing at its address, nothing has been pushed. */
static void on_fault(int signal, siginfo_t *info, void *raw) {
  (void)signal, (void)info;
  greg_t *gregs = ((ucontext_t *)raw)->uc_mcontext.gregs;
  trap = gregs[REG_TRAPNO];
  gregs[REG_RIP] = *(uint64_t *)gregs[REG_RSP];
  gregs[REG_RSP] += 8;
}

#define SHOW(name) (__builtin_cpu_supports(name) ? puts(name) : 0)

int main(int count, char **arguments) {
  if (count > 1 && strcmp(arguments[1], "features") == 0) {
    SHOW("sse4.2"), SHOW("aes"), SHOW("pclmul"), SHOW("avx"), SHOW("avx2"), SHOW("fma"), SHOW("f16c"), SHOW("sha");
    return 0;
  }
  code = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  uint8_t *memory = mmap((void *)MEMORY_AT, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (code == MAP_FAILED || memory == MAP_FAILED) return perror("mmap"), 1;
  struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
  sigaction(SIGFPE, &action, 0), sigaction(SIGSEGV, &action, 0), sigaction(SIGILL, &action, 0), sigaction(SIGBUS, &action, 0);
  while (fread(&request, sizeof request, 1, stdin) == 1) {
    memcpy(code, request.code, sizeof request.code);
    memcpy(memory, request.state.memory, MEMORY_BYTES);
    trap = 0;
    run(&request.state);
    memcpy(request.state.memory, memory, MEMORY_BYTES);
    request.state.trap = trap;
    if (fwrite(&request.state, sizeof request.state, 1, stdout) != 1) return perror("write"), 1;
  }
  return 0;
}
