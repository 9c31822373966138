/*
 * The host processor as the judge of x87 instructions. Standard input is a sequence of requests, standard output the
 * same number of replies (both as declared below; host.ts holds the other side). Each instruction runs alone between FRSTOR
 * and FNSAVE, with its memory operand at RSI and RCX as its general register.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define IMAGE_BYTES 108
#define OPERAND_BYTES 16
#define CODE_BYTES 16

struct request {
  uint8_t image[IMAGE_BYTES];
  uint8_t operand[OPERAND_BYTES];
  uint32_t flags;
  uint32_t length;
  uint8_t code[CODE_BYTES];
  uint64_t rcx;
} __attribute__((packed));

struct reply {
  uint8_t image[IMAGE_BYTES];
  uint8_t operand[OPERAND_BYTES];
  uint32_t flags;
  uint64_t rcx;
} __attribute__((packed));

typedef uint64_t (*body)(const void *image, void *operand, void *saved, uint64_t rcx, uint64_t *rcx_after);

static uint8_t *put(uint8_t *at, const void *bytes, size_t count) {
  memcpy(at, bytes, count);
  return at + count;
}

int main(void) {
  uint8_t *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return 1;
  struct request request;
  struct reply reply;
  while (fread(&request, sizeof request, 1, stdin) == 1) {
    if (request.length > CODE_BYTES) return 2;
    uint8_t *at = page;
    at = put(at, "\xdd\x27\x68", 3);           /* frstor [rdi]; push imm32 */
    at = put(at, &request.flags, 4);
    at = put(at, "\x9d", 1);                   /* popfq */
    at = put(at, request.code, request.length);
    at = put(at, "\x9c\x58", 2);               /* pushfq; pop rax */
    at = put(at, "\x49\x89\x08", 3);           /* mov [r8], rcx */
    at = put(at, "\xdd\x32\xdb\xe3\xc3", 5);   /* fnsave [rdx]; fninit; ret */
    memcpy(reply.operand, request.operand, OPERAND_BYTES);
    uint64_t rcx = 0;
    reply.flags = (uint32_t)((body)page)(request.image, reply.operand, reply.image, request.rcx, &rcx);
    reply.rcx = rcx;
    if (fwrite(&reply, sizeof reply, 1, stdout) != 1) return 3;
  }
  return 0;
}
