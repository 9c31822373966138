/** Interrupt messages between local APICs, I/O APIC and devices, and whom they reach (SDM Vol. 3A, "Determining IPI Destination" 10.6.2). */

/** Delivery mode encodings of ICR, LVT and redirection entries. */
export const DELIVERY_MODE = {
  fixed: 0,
  lowestPriority: 1,
  smi: 2,
  nmi: 4,
  init: 5,
  startup: 6,
  external: 7,
} as const;

export interface ApicMessage {
  /** A `DELIVERY_MODE` or a reserved encoding. */
  readonly mode: number;
  readonly vector: number;
  readonly trigger: 'edge' | 'level';
}

/** `wide`: 32-bit ids of x2APIC; otherwise 8 bits. */
export interface ApicDestination {
  readonly id: number;
  readonly kind: 'physical' | 'logical';
  readonly wide: boolean;
}

/** A local APIC as senders see it. */
export interface ApicReceiver {
  isAddressed(destination: ApicDestination): boolean;
  receive(message: ApicMessage): void;
  /** For lowest-priority delivery: lower takes it. */
  readonly processorPriority: number;
}

/** Delivers to all receivers that a destination addresses; lowest priority to one of them. */
export function sendMessage(
  receivers: readonly ApicReceiver[],
  destination: ApicDestination,
  message: ApicMessage,
): void {
  deliver(
    receivers.filter((receiver) => receiver.isAddressed(destination)),
    message,
  );
}

/** Delivers to all, or where it has lowest priority to the one whose priority is lowest, and of equals to the first. */
export function deliver(addressed: readonly ApicReceiver[], message: ApicMessage): void {
  if (message.mode !== DELIVERY_MODE.lowestPriority) {
    for (const receiver of addressed) receiver.receive(message);
    return;
  }
  const [first, ...others] = addressed;
  if (first === undefined) return;
  const lowest = others.reduce((best, one) => (one.processorPriority < best.processorPriority ? one : best), first);
  lowest.receive({ ...message, mode: DELIVERY_MODE.fixed });
}
