/** How the board is wired where tables tell programs about it: the fixed hardware of ACPI, and interrupts. */

/** Ports of the PM1a event block, the PM1a control block and the power management timer. */
export const PM1A_EVENT_PORT = 0x600;
export const PM1A_CONTROL_PORT = 0x604;
export const PM_TIMER_PORT = 0x608;
/** The system control interrupt: level triggered, active high, as the PCI interrupts of this chip set are. */
export const SCI_IRQ = 9;
/** Reset control register of the chip set, and the value that resets. */
export const RESET_PORT = 0xcf9;
export const RESET_VALUE = 0x06;
/** ISA interrupts that firmware routes PIRQA to PIRQD to. */
export const PIRQ_INTERRUPTS = [10, 11, 10, 11] as const;
/** Which I/O APIC pin the timer's IRQ 0 is wired to; the other ISA interrupts have the pin of their number. */
export const TIMER_PIN = 2;
/** SLP_TYP of the soft-off state. */
export const SLEEP_TYPE_S5 = 5;
