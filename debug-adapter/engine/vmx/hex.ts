/** As a manual writes it: `2000FFh`. */
export const hex = (value: bigint | number): string => {
  const digits = value.toString(16).toUpperCase();
  return `${/^[A-F]/.test(digits) ? '0' : ''}${digits}h`;
};
