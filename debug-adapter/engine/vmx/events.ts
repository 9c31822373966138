/** Events in the format of the interruption-information fields (SDM Vol. 3C, 24.8.3, 24.9.2, 24.9.3). */
import type { DeliveredEvent, EventType } from '../cpu/context.ts';
import { INTERRUPTION_ERROR_CODE, INTERRUPTION_VALID, interruptionInformation } from './checks/injection.ts';

const TYPE_OF: { readonly [E in EventType]: number } = {
  external: 0,
  nmi: 2,
  'hardware-exception': 3,
  'software-interrupt': 4,
  'privileged-software': 5,
  'software-exception': 6,
};
const EVENT_OF: Readonly<Record<number, EventType>> = Object.fromEntries(
  (Object.keys(TYPE_OF) as EventType[]).map((event) => [TYPE_OF[event], event]),
);

/** The field for an event, its valid bit set; unsigned. */
export function informationOf(event: DeliveredEvent): number {
  const errorCode = event.errorCode === undefined ? 0 : INTERRUPTION_ERROR_CODE;
  return (event.vector | (TYPE_OF[event.type] << 8) | errorCode | INTERRUPTION_VALID) >>> 0;
}

/** INT n, INT1, INT3, INTO: events with an instruction of their own. */
export const isSoftware = (event: DeliveredEvent): boolean => TYPE_OF[event.type] >= 4;

/** The event that an interruption-information field describes; undefined for type 7, which delivers nothing but makes an MTF exit pending. */
export function eventOf(information: number, errorCode: number, instructionBytes: number): DeliveredEvent | undefined {
  const { vector, type, deliversErrorCode } = interruptionInformation(information);
  const event = EVENT_OF[type];
  if (event === undefined) return undefined;
  return {
    vector,
    type: event,
    errorCode: deliversErrorCode ? errorCode : undefined,
    instructionBytes: type >= 4 ? instructionBytes : 0,
  };
}
