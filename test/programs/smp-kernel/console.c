/* The serial port, and the ways to end. */
#include <stdarg.h>

#include "hardware.h"
#include "kernel.h"

#define COM1 0x3f8
#define LINE_STATUS (COM1 + 5)
#define CAN_SEND 0x20
#define DEBUG_EXIT 0xf4

static struct lock console_lock;

void console_begin(void) {
  out8(COM1 + 1, 0);
  out8(COM1 + 3, 0x80);
  out8(COM1 + 0, 1);
  out8(COM1 + 1, 0);
  out8(COM1 + 3, 3);
  out8(COM1 + 2, 7);
}

static void put(char character) {
  while ((in8(LINE_STATUS) & CAN_SEND) == 0) pause();
  out8(COM1, (uint8_t)character);
}

/* Whole, however many processors write. */
void write_console(const char *text, uint32_t length) {
  take(&console_lock);
  for (uint32_t index = 0; index < length; index++) put(text[index]);
  give(&console_lock);
}

static char *decimal(char *end, uint32_t value) {
  do {
    *--end = (char)('0' + value % 10);
    value /= 10;
  } while (value != 0);
  return end;
}

/* Knows %u and %s. */
void print(const char *format, ...) {
  char line[128];
  uint32_t length = 0;
  va_list values;
  va_start(values, format);
  for (; *format != 0 && length < sizeof line; format++) {
    char digits[10];
    const char *from = format, *end = format + 1;
    if (*format == '%') {
      format++;
      if (*format == 'u') {
        from = decimal(digits + sizeof digits, va_arg(values, uint32_t));
        end = digits + sizeof digits;
      } else {
        from = va_arg(values, const char *);
        for (end = from; *end != 0;) end++;
      }
    }
    while (from < end && length < sizeof line) line[length++] = *from++;
  }
  va_end(values);
  write_console(line, length);
}

void end_machine(uint32_t status) {
  out32(DEBUG_EXIT, status);
  halt_for_good();
  __builtin_unreachable();
}

void panic(const char *what, uint32_t detail) {
  print("panic: %s, %u\n", what, detail);
  end_machine(1);
}
