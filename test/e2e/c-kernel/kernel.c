/* A kernel that counts letters and tells the result on the first serial port. */
typedef unsigned char byte;

static void out(unsigned short port, byte value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static void print(const char *text)
{
    while (*text)
        out(0x3f8, (byte)*text++);
}

static int count(const char *text, char wanted)
{
    int found = 0;
    for (; *text; text++)
        if (*text == wanted)
            found++;
    return found;
}

static void report(const char *text)
{
    int vowels = count(text, 'a') + count(text, 'e');
    print(vowels == 5 ? "five\n" : "other\n");
}

void kernel_main(void)
{
    report("a hypervisor beneath a kernel");
}
