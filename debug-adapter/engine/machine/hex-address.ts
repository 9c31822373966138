/** A port or an address as data sheets write it: `3F8h`. */
export const hexAddress = (value: number): string => `${value.toString(16).toUpperCase()}h`;
