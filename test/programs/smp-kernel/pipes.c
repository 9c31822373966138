/* Pipes: a ring of bytes between those who write and those who read. */
#include "kernel.h"

#define RING_BYTES 512u

struct pipe {
  struct lock lock;
  /* Bytes ever written and read: their difference is what is in the ring. */
  uint32_t written, read;
  uint32_t writers, readers;
  char ring[RING_BYTES];
};

struct pipe *new_pipe(void) {
  struct pipe *pipe = new_page();
  pipe->writers = 1;
  pipe->readers = 1;
  return pipe;
}

void share_pipe(struct pipe *pipe, int writes) {
  take(&pipe->lock);
  *(writes ? &pipe->writers : &pipe->readers) += 1;
  give(&pipe->lock);
}

void close_pipe(struct pipe *pipe, int writes) {
  take(&pipe->lock);
  *(writes ? &pipe->writers : &pipe->readers) -= 1;
  uint32_t left = pipe->writers + pipe->readers;
  give(&pipe->lock);
  if (left == 0) {
    free_page(pipe);
    return;
  }
  /* Whoever waits for the other side looks whether there is one. */
  wake(&pipe->written);
  wake(&pipe->read);
}

/* What there is, at least one byte; 0 once nobody will write any more. */
int read_pipe(struct pipe *pipe, char *to, uint32_t length) {
  take(&pipe->lock);
  while (pipe->written == pipe->read && pipe->writers != 0) wait_on(&pipe->written, &pipe->lock);
  uint32_t count = 0;
  while (count < length && pipe->read != pipe->written) to[count++] = pipe->ring[pipe->read++ % RING_BYTES];
  give(&pipe->lock);
  wake(&pipe->read);
  return (int)count;
}

/* All of it; -1 once nobody will read any more. */
int write_pipe(struct pipe *pipe, const char *from, uint32_t length) {
  take(&pipe->lock);
  for (uint32_t count = 0; count < length; count++) {
    while (pipe->written - pipe->read == RING_BYTES && pipe->readers != 0) {
      wake(&pipe->written);
      wait_on(&pipe->read, &pipe->lock);
    }
    if (pipe->readers == 0) {
      give(&pipe->lock);
      return -1;
    }
    pipe->ring[pipe->written++ % RING_BYTES] = from[count];
  }
  give(&pipe->lock);
  wake(&pipe->written);
  return (int)length;
}
