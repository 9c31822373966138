/** Code that tests of debug exceptions run. */

/** 64-bit code with #DB going to `handler`, where RIP stays. */
export const withDebugHandler = (body: string): string => `
        lidt [rel idtr]
        lea rsp, [rel stack + 400h]
${body}
handler: jmp handler
        align 16
idt:    dq 0, 0
        dw handler, 8, 8E00h, 0, 0, 0, 0, 0
idtr:   dw 1Fh
        dq idt
        align 16
stack:  times 400h db 0`;
