/* Pages: a list of free ones, and the tables that map them. The kernel is mapped where it lies, by large pages of 4 MiB. */
#include "hardware.h"
#include "kernel.h"

#define MEMORY_END (16u << 20)
#define LARGE_BYTES (4u << 20)
#define LOCAL_APIC_LARGE 0xfec00000u

#define PRESENT 1u
#define WRITABLE 2u
#define USER 4u
#define UNCACHED 0x10u
#define LARGE 0x80u
#define ADDRESS(entry) ((entry) & ~(PAGE_BYTES - 1))

extern char user_loaded[], user_text[], user_text_end[];

struct free_page {
  struct free_page *next;
};

static struct lock memory_lock;
static struct free_page *free_list;
static uint32_t free_count;
static uint32_t *kernel_tables;

static void clear(void *page) {
  uint32_t *words = page;
  for (uint32_t index = 0; index < PAGE_BYTES / 4; index++) words[index] = 0;
}

void *new_page(void) {
  take(&memory_lock);
  struct free_page *page = free_list;
  if (page != NULL) {
    free_list = page->next;
    free_count--;
  }
  give(&memory_lock);
  if (page == NULL) panic("no memory is left", 0);
  clear(page);
  return page;
}

void free_page(void *page) {
  struct free_page *freed = page;
  take(&memory_lock);
  freed->next = free_list;
  free_list = freed;
  free_count++;
  give(&memory_lock);
}

uint32_t free_pages(void) {
  take(&memory_lock);
  uint32_t count = free_count;
  give(&memory_lock);
  return count;
}

void memory_begin(void) {
  uint32_t first = (uint32_t)user_loaded + (uint32_t)(user_text_end - user_text);
  for (uint32_t page = MEMORY_END - PAGE_BYTES; page >= first; page -= PAGE_BYTES) free_page((void *)page);
  kernel_tables = new_page();
  for (uint32_t address = 0; address < MEMORY_END; address += LARGE_BYTES)
    kernel_tables[address / LARGE_BYTES] = address | PRESENT | WRITABLE | LARGE;
  kernel_tables[LOCAL_APIC_LARGE / LARGE_BYTES] = LOCAL_APIC_LARGE | PRESENT | WRITABLE | UNCACHED | LARGE;
  load_page_directory((uint32_t)kernel_tables);
  enable_paging();
}

uint32_t *kernel_directory(void) { return kernel_tables; }

static uint32_t *entry_of(uint32_t *directory, uint32_t address, int make) {
  uint32_t *upper = &directory[address / LARGE_BYTES];
  if ((*upper & PRESENT) == 0) {
    if (!make) return NULL;
    *upper = (uint32_t)new_page() | PRESENT | WRITABLE | USER;
  }
  uint32_t *table = (uint32_t *)ADDRESS(*upper);
  return &table[address / PAGE_BYTES % 1024];
}

/* An address space with the kernel and the programs' text. */
uint32_t *new_directory(void) {
  uint32_t *directory = new_page();
  for (uint32_t index = 0; index < 1024; index++) directory[index] = kernel_tables[index];
  for (uint32_t offset = 0; offset < (uint32_t)(user_text_end - user_text); offset += PAGE_BYTES)
    *entry_of(directory, USER_TEXT + offset, 1) = ((uint32_t)user_loaded + offset) | PRESENT | USER;
  return directory;
}

void *user_page(uint32_t *directory, uint32_t address, int make) {
  uint32_t *entry = entry_of(directory, address, make);
  if (entry == NULL) return NULL;
  if ((*entry & PRESENT) == 0) {
    if (!make) return NULL;
    *entry = (uint32_t)new_page() | PRESENT | WRITABLE | USER;
  }
  return (void *)ADDRESS(*entry);
}

/* Does something for each page that a process alone has: those it may write. */
static void for_each_own_page(uint32_t *directory, void (*visit)(uint32_t address, void *page, uint32_t *context),
                              uint32_t *context) {
  for (uint32_t upper = USER_TEXT / LARGE_BYTES; upper < USER_END / LARGE_BYTES; upper++) {
    if ((directory[upper] & PRESENT) == 0) continue;
    const uint32_t *table = (const uint32_t *)ADDRESS(directory[upper]);
    for (uint32_t index = 0; index < 1024; index++)
      if ((table[index] & (PRESENT | WRITABLE)) == (PRESENT | WRITABLE))
        visit(upper * LARGE_BYTES + index * PAGE_BYTES, (void *)ADDRESS(table[index]), context);
  }
}

static void copy_page(uint32_t address, void *page, uint32_t *to) {
  uint32_t *target = user_page(to, address, 1);
  const uint32_t *source = page;
  for (uint32_t index = 0; index < PAGE_BYTES / 4; index++) target[index] = source[index];
}

void copy_user_memory(uint32_t *to, uint32_t *from) { for_each_own_page(from, copy_page, to); }

static void drop_page(uint32_t address, void *page, uint32_t *context) {
  (void)address;
  (void)context;
  free_page(page);
}

void free_directory(uint32_t *directory) {
  for_each_own_page(directory, drop_page, NULL);
  for (uint32_t upper = USER_TEXT / LARGE_BYTES; upper < USER_END / LARGE_BYTES; upper++)
    if ((directory[upper] & PRESENT) != 0) free_page((void *)ADDRESS(directory[upper]));
  free_page(directory);
}
