/**
 * Kinds of address, kept apart by the compiler.
 *
 * A linear address needs all 64 bits and is a `bigint`. Physical addresses are below 2^52 (SDM Vol. 3A, "Paging", 4.1.4:
 * MAXPHYADDR is at most 52), so a `number` holds them exactly and the page walker never allocates.
 */
declare const addressKind: unique symbol;
/** Output of segmentation, input of paging; canonical 64-bit value, unsigned. */
export type LinearAddress = bigint & { readonly [addressKind]: 'linear' };
/** Output of guest paging, input of EPT (on a bare machine it is the host-physical address as well). */
export type GuestPhysical = number & { readonly [addressKind]: 'guest-physical' };
/** Output of EPT: what the memory bus sees. */
export type HostPhysical = number & { readonly [addressKind]: 'host-physical' };

export const linearAddress = (value: bigint): LinearAddress => BigInt.asUintN(64, value) as LinearAddress;
export const guestPhysical = (value: number): GuestPhysical => value as GuestPhysical;
export const hostPhysical = (value: number): HostPhysical => value as HostPhysical;
