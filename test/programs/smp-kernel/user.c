/* The programs. They share this text, and have nothing else but their stacks and heaps: no variables are defined here. */
#include <stdint.h>

#include "system-calls.h"

static inline int call(enum system_call number, uint32_t first, uint32_t second, uint32_t third) {
  int answer;
  __asm__ volatile("int $0x30" : "=a"(answer) : "a"(number), "b"(first), "c"(second), "d"(third) : "memory");
  return answer;
}

static void end(int status) {
  call(CALL_EXIT, (uint32_t)status, 0, 0);
  __builtin_unreachable();
}
static int fork(void) { return call(CALL_FORK, 0, 0, 0); }
static int wait(int *status) { return call(CALL_WAIT, (uint32_t)status, 0, 0); }
static void yield(void) { call(CALL_YIELD, 0, 0, 0); }
static int write(int to, const void *bytes, uint32_t length) {
  return call(CALL_WRITE, (uint32_t)to, (uint32_t)bytes, length);
}
static int read(int from, void *bytes, uint32_t length) {
  return call(CALL_READ, (uint32_t)from, (uint32_t)bytes, length);
}
static int pipe(int ends[2]) { return call(CALL_PIPE, (uint32_t)ends, 0, 0); }
static void close(int descriptor) { call(CALL_CLOSE, (uint32_t)descriptor, 0, 0); }
static void *grow(uint32_t bytes) { return (void *)call(CALL_GROW, bytes, 0, 0); }

/* As much as asked for, unless the other end closes. */
static int read_all(int from, void *bytes, uint32_t length) {
  uint32_t done = 0;
  while (done < length) {
    int got = read(from, (char *)bytes + done, length - done);
    if (got <= 0) return -1;
    done += (uint32_t)got;
  }
  return 0;
}

static uint32_t length_of(const char *text) {
  uint32_t length = 0;
  while (text[length] != 0) length++;
  return length;
}

/* `name: value` and whether it is what was to be expected, as one line. */
static void report(const char *name, uint32_t value, uint32_t expected) {
  char line[80];
  uint32_t length = 0;
  const char *parts[2] = {name, ": "};
  for (int part = 0; part < 2; part++)
    for (uint32_t index = 0; index < length_of(parts[part]); index++) line[length++] = parts[part][index];
  char digits[10];
  uint32_t count = 0;
  do digits[count++] = (char)('0' + value % 10);
  while ((value /= 10) != 0);
  uint32_t reported = 0, scale = 1;
  for (uint32_t index = 0; index < count; index++, scale *= 10) reported += (uint32_t)(digits[index] - '0') * scale;
  while (count != 0) line[length++] = digits[--count];
  const char *verdict = reported == expected ? ", right\n" : ", WRONG\n";
  for (uint32_t index = 0; index < length_of(verdict); index++) line[length++] = verdict[index];
  write(1, line, length);
}

/* What a child is to do; it ends with the value it gives. */
typedef uint32_t work(int output);

static int start(work *body, int output) {
  int id = fork();
  if (id != 0) return id;
  end((int)body(output));
  return -1;
}

static uint32_t sieve(int output) {
  const uint32_t limit = 20000;
  uint8_t *composite = grow(limit);
  uint32_t primes = 0;
  (void)output;
  for (uint32_t number = 2; number < limit; number++) {
    if (composite[number]) continue;
    primes++;
    for (uint32_t multiple = number * 2; multiple < limit; multiple += number) composite[multiple] = 1;
  }
  return primes;
}

static uint32_t fibonacci(uint32_t index) { return index < 2 ? index : fibonacci(index - 1) + fibonacci(index - 2); }
static uint32_t recursion(int output) {
  (void)output;
  return fibonacci(19);
}

static uint32_t hash(int output) {
  const uint32_t bytes = 16384;
  uint8_t *text = grow(bytes);
  uint32_t value = 2166136261u;
  (void)output;
  for (uint32_t index = 0; index < bytes; index++) text[index] = (uint8_t)(index * 7 + (index >> 8));
  for (uint32_t index = 0; index < bytes; index++) value = (value ^ text[index]) * 16777619u;
  return value;
}

static uint32_t polite(int output) {
  uint32_t times = 0;
  (void)output;
  while (times < 100) {
    yield();
    times++;
  }
  return times;
}

/* Each of a chain of processes waits for the next one. */
static uint32_t chain(int depth) {
  int status;
  if (depth == 0) return 1;
  int id = fork();
  if (id == 0) end((int)chain(depth - 1));
  return wait(&status) == id ? (uint32_t)status * 2 : 0;
}

/* Kernel memory is not its own: it is ended before it writes. */
static uint32_t forbidden(int output) {
  (void)output;
  *(volatile uint32_t *)0x100000 = 0;
  return 1;
}

static uint32_t slice(int output, uint32_t first, uint32_t last) {
  uint32_t sum = 0;
  for (uint32_t number = first; number < last; number++) sum += number * number;
  return write(output, &sum, sizeof sum) == sizeof sum ? 0 : 1;
}

#define SLICES 4u
#define SQUARES 40000u
static void parallel_sum(void) {
  int ends[2], status;
  uint32_t sum = 0, part, failures = 0;
  pipe(ends);
  for (uint32_t index = 0; index < SLICES; index++)
    if (fork() == 0) end((int)slice(ends[1], index * (SQUARES / SLICES), (index + 1) * (SQUARES / SLICES)));
  close(ends[1]);
  while (read_all(ends[0], &part, sizeof part) == 0) sum += part;
  close(ends[0]);
  for (uint32_t index = 0; index < SLICES; index++)
    if (wait(&status) < 0 || status != 0) failures++;
  /* The sum of all squares below n is (n - 1) n (2n - 1) / 6, here modulo 2^32: 6 divides it before it is cut. */
  const uint64_t n = SQUARES;
  report("parallel sum", sum, (uint32_t)((n - 1) * n * (2 * n - 1) / 6));
  report("slices that failed", failures, 0);
}

/* Numbers go through two pipes: one process makes them, one changes them, the first of all adds them up. */
#define NUMBERS 1000u
static void pipeline(void) {
  int made[2], changed[2], status;
  uint32_t sum = 0, number;
  pipe(made);
  if (fork() == 0) {
    for (number = 0; number < NUMBERS; number++) write(made[1], &number, sizeof number);
    end(0);
  }
  close(made[1]);
  pipe(changed);
  if (fork() == 0) {
    while (read_all(made[0], &number, sizeof number) == 0) {
      number = number * 3 + 1;
      write(changed[1], &number, sizeof number);
    }
    end(0);
  }
  close(changed[1]);
  close(made[0]);
  while (read_all(changed[0], &number, sizeof number) == 0) sum += number;
  close(changed[0]);
  while (wait(&status) >= 0) continue;
  report("pipeline", sum, 3 * (NUMBERS * (NUMBERS - 1) / 2) + NUMBERS);
}

/* Until every processor has run a process: idle ones are woken to take one of these. */
static void spread(void) {
  int status;
  for (int index = 0; index < 8; index++)
    if (fork() == 0) {
      while (!call(CALL_ALL_USED, 0, 0, 0)) yield();
      end(0);
    }
  while (wait(&status) >= 0) continue;
  report("processors without a process", (uint32_t)!call(CALL_ALL_USED, 0, 0, 0), 0);
}

struct task {
  const char *name;
  work *body;
  uint32_t expected;
};

/* Several at once; what they gave is told in the order of this table, whoever ends first. */
static void together(void) {
  const struct task tasks[] = {
      {"primes below 20000", sieve, 2262}, {"fibonacci 19", recursion, 4181},
      {"hash", hash, 0xdcdca3c5},          {"yields", polite, 100},
      {"primes again", sieve, 2262},       {"status of a forbidden write", forbidden, (uint32_t)-14},
  };
  const int count = sizeof tasks / sizeof tasks[0];
  int ids[sizeof tasks / sizeof tasks[0]], statuses[sizeof tasks / sizeof tasks[0]];
  for (int index = 0; index < count; index++) ids[index] = start(tasks[index].body, 1);
  for (int ended = 0; ended < count; ended++) {
    int status, id = wait(&status);
    for (int index = 0; index < count; index++)
      if (ids[index] == id) statuses[index] = status;
  }
  for (int index = 0; index < count; index++) report(tasks[index].name, (uint32_t)statuses[index], tasks[index].expected);
}

void user_main(void) {
  const uint32_t free_before = (uint32_t)call(CALL_FREE_PAGES, 0, 0, 0);
  spread();
  together();
  parallel_sum();
  pipeline();
  report("chain of processes", chain(5), 32);
  report("pages that were lost", free_before - (uint32_t)call(CALL_FREE_PAGES, 0, 0, 0), 0);
  write(1, "smp-kernel: done\n", 17);
  call(CALL_POWER_OFF, 0, 0, 0);
  end(0);
}
