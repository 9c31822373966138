#include "guest.h"

u32 rnd_state;

/* Every case has a seed of its own, so that any batch can be run alone. */
void seed_case(u32 batch, u32 index) {
  u32 x = parameters[P_SEED_LOW] ^ batch * 0x9e3779b1u ^ index * 0x85ebca6bu;
  x ^= x >> 16;
  x *= 0x7feb352du;
  x ^= x >> 15;
  x += parameters[P_SEED_HIGH];
  x *= 0x846ca68bu;
  x ^= x >> 16;
  rnd_state = x | 1;
}

static const u32 borders[] = {0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff,
                              0x80000000, 0xffffffff, 0xfffffffe, 0xffff8000, 0xffffff80, 0x99, 0x9a};

u32 interesting(void) {
  u32 r = rnd();
  switch (r & 3) {
    case 0: return rnd();
    case 1: return borders[(r >> 8) % (sizeof borders / sizeof *borders)];
    case 2: return r >> 26;
    default: return (u32)((int)rnd() >> (r >> 27));
  }
}

word interesting_word(void) {
#ifdef __x86_64__
  u32 r = rnd();
  if ((r & 0x3000) == 0) return (word)rnd() << 32 | rnd();
  u32 low = interesting();
  return (r & 0x4000) != 0 ? (word)(long)(int)low : (word)low << (r & 0x8000 ? 32 : 0);
#else
  return interesting();
#endif
}
