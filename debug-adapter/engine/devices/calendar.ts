/** The calendar of the MC146818 real-time clock: binary values, 24 hours; leap years as the chip knows them. */

export interface CalendarTime {
  readonly second: number;
  readonly minute: number;
  readonly hour: number;
  /** 1 = Sunday. */
  readonly weekday: number;
  readonly day: number;
  readonly month: number;
  /** Within the century. */
  readonly year: number;
  readonly century: number;
}

/** Saturday, 1 January 2000, 0:00: every run starts here, so that every run is the same. */
export const START_OF_TIME: CalendarTime = {
  second: 0,
  minute: 0,
  hour: 0,
  weekday: 7,
  day: 1,
  month: 1,
  year: 0,
  century: 20,
};

const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;

/** The chip knows only years divisible by four (data sheet, "Time, Calendar, and Alarm Locations"). */
const daysIn = (month: number, year: number): number =>
  month === 2 && year % 4 === 0 ? 29 : (MONTH_DAYS[month - 1] ?? 31);

/** One second later. Values a program has set out of range are carried at their next increment. */
export function oneSecondLater(time: CalendarTime): CalendarTime {
  if (time.second < 59) return { ...time, second: time.second + 1 };
  if (time.minute < 59) return { ...time, second: 0, minute: time.minute + 1 };
  if (time.hour < 23) return { ...time, second: 0, minute: 0, hour: time.hour + 1 };
  const next = { ...time, second: 0, minute: 0, hour: 0, weekday: (time.weekday % 7) + 1 };
  if (time.day < daysIn(time.month, time.year)) return { ...next, day: time.day + 1 };
  if (time.month < 12) return { ...next, day: 1, month: time.month + 1 };
  if (time.year < 99) return { ...next, day: 1, month: 1, year: time.year + 1 };
  return { ...next, day: 1, month: 1, year: 0, century: time.century + 1 };
}
