/* A small kernel for several processors: what it does first. */
#include "hardware.h"
#include "kernel.h"

void kernel_main(void) {
  console_begin();
  memory_begin();
  traps_begin();
  processors_begin();
  print("smp-kernel: %u processor%s\n", processor_count, processor_count == 1 ? "" : "s");
  start_processors();
  first_process();
  schedule_forever();
}
