/**
 * Registers of the 16550 UART (National Semiconductor PC16550D data sheet, "Registers", Table II).
 * Masks are bare names; offsets carry `_OFFSET`.
 */
import { field, flag, type RegisterRow } from './device.ts';

/** RBR on read, THR on write, DLL with DLAB. */
export const DATA_OFFSET = 0;
/** IER; DLM with DLAB. */
export const INTERRUPT_ENABLE_OFFSET = 1;
/** IIR on read, FCR on write. */
export const INTERRUPT_ID_OFFSET = 2;
export const LINE_CONTROL_OFFSET = 3;
export const MODEM_CONTROL_OFFSET = 4;
export const LINE_STATUS_OFFSET = 5;
export const MODEM_STATUS_OFFSET = 6;
export const SCRATCH_OFFSET = 7;

export const IER_RECEIVED_DATA = 0x01;
export const IER_TRANSMITTER_EMPTY = 0x02;
export const IER_LINE_STATUS = 0x04;
export const IER_MODEM_STATUS = 0x08;

/** Low four bits of IIR. */
export const IIR_MODEM_STATUS = 0x0;
export const IIR_NONE = 0x1;
export const IIR_TRANSMITTER_EMPTY = 0x2;
export const IIR_RECEIVED_DATA = 0x4;
export const IIR_LINE_STATUS = 0x6;
export const IIR_CHARACTER_TIMEOUT = 0xc;
export const IIR_FIFO_ENABLED = 0xc0;

export const FCR_ENABLE = 0x01;
export const FCR_CLEAR_RECEIVER = 0x02;
export const FCR_CLEAR_TRANSMITTER = 0x04;

export const LCR_SET_BREAK = 0x40;
export const LCR_DLAB = 0x80;

export const MCR_DTR = 0x01;
export const MCR_RTS = 0x02;
export const MCR_OUT1 = 0x04;
export const MCR_OUT2 = 0x08;
export const MCR_LOOP = 0x10;

export const LSR_DATA_READY = 0x01;
export const LSR_OVERRUN = 0x02;
export const LSR_BREAK = 0x10;
export const LSR_THR_EMPTY = 0x20;
export const LSR_TRANSMITTER_EMPTY = 0x40;
export const LSR_FIFO_ERROR = 0x80;

export const MSR_DELTA_CTS = 0x01;
export const MSR_DELTA_DSR = 0x02;
export const MSR_TRAILING_RI = 0x04;
export const MSR_DELTA_DCD = 0x08;
export const MSR_CTS = 0x10;
export const MSR_DSR = 0x20;
export const MSR_RI = 0x40;
export const MSR_DCD = 0x80;

const TRIGGER_WORDS = { 0: '1 byte', 1: '4 bytes', 2: '8 bytes', 3: '14 bytes' };

export const UART_REGISTERS = {
  RBR: { title: 'Receiver Buffer', offset: DATA_OFFSET, access: 'read', bits: 8, fields: [] },
  DLL: { title: 'Divisor Latch, low (DLAB = 1)', offset: DATA_OFFSET, access: 'read-write', bits: 8, fields: [] },
  DLM: {
    title: 'Divisor Latch, high (DLAB = 1)',
    offset: INTERRUPT_ENABLE_OFFSET,
    access: 'read-write',
    bits: 8,
    fields: [],
  },
  IER: {
    title: 'Interrupt Enable',
    offset: INTERRUPT_ENABLE_OFFSET,
    access: 'read-write',
    bits: 8,
    fields: [
      flag('ERBFI', 0, 'received data available'),
      flag('ETBEI', 1, 'transmitter holding register empty'),
      flag('ELSI', 2, 'receiver line status'),
      flag('EDSSI', 3, 'modem status'),
    ],
  },
  IIR: {
    title: 'Interrupt Identification',
    offset: INTERRUPT_ID_OFFSET,
    access: 'read',
    bits: 8,
    fields: [
      field('ID', 3, 0, 'highest pending interrupt', {
        [IIR_NONE]: 'none',
        [IIR_MODEM_STATUS]: 'modem status',
        [IIR_TRANSMITTER_EMPTY]: 'transmitter empty',
        [IIR_RECEIVED_DATA]: 'received data',
        [IIR_LINE_STATUS]: 'line status',
        [IIR_CHARACTER_TIMEOUT]: 'character timeout',
      }),
      field('FIFO', 7, 6, 'FIFOs', { 0: 'off', 3: 'on' }),
    ],
  },
  FCR: {
    title: 'FIFO Control',
    offset: INTERRUPT_ID_OFFSET,
    access: 'write',
    bits: 8,
    fields: [
      flag('ENABLE', 0, 'FIFO enable'),
      flag('DMA', 3, 'DMA mode select'),
      field('TRIGGER', 7, 6, 'receiver trigger level', TRIGGER_WORDS),
    ],
  },
  LCR: {
    title: 'Line Control',
    offset: LINE_CONTROL_OFFSET,
    access: 'read-write',
    bits: 8,
    fields: [
      field('WLS', 1, 0, 'word length', { 0: '5 bits', 1: '6 bits', 2: '7 bits', 3: '8 bits' }),
      flag('STB', 2, 'two stop bits'),
      field('PARITY', 5, 3, 'parity', { 0: 'none', 1: 'odd', 3: 'even', 5: 'mark', 7: 'space' }),
      flag('BREAK', 6, 'set break'),
      flag('DLAB', 7, 'divisor latch access'),
    ],
  },
  MCR: {
    title: 'Modem Control',
    offset: MODEM_CONTROL_OFFSET,
    access: 'read-write',
    bits: 8,
    fields: [
      flag('DTR', 0, 'data terminal ready'),
      flag('RTS', 1, 'request to send'),
      flag('OUT1', 2, 'output 1'),
      flag('OUT2', 3, 'output 2: connects the interrupt to the PC bus'),
      flag('LOOP', 4, 'loopback'),
    ],
  },
  LSR: {
    title: 'Line Status',
    offset: LINE_STATUS_OFFSET,
    access: 'read',
    bits: 8,
    fields: [
      flag('DR', 0, 'data ready'),
      flag('OE', 1, 'overrun error'),
      flag('PE', 2, 'parity error'),
      flag('FE', 3, 'framing error'),
      flag('BI', 4, 'break interrupt'),
      flag('THRE', 5, 'transmitter holding register empty'),
      flag('TEMT', 6, 'transmitter empty'),
      flag('FIFOERR', 7, 'error in receiver FIFO'),
    ],
  },
  MSR: {
    title: 'Modem Status',
    offset: MODEM_STATUS_OFFSET,
    access: 'read',
    bits: 8,
    fields: [
      flag('DCTS', 0, 'CTS changed'),
      flag('DDSR', 1, 'DSR changed'),
      flag('TERI', 2, 'RI went inactive'),
      flag('DDCD', 3, 'DCD changed'),
      flag('CTS', 4, 'clear to send'),
      flag('DSR', 5, 'data set ready'),
      flag('RI', 6, 'ring indicator'),
      flag('DCD', 7, 'carrier detect'),
    ],
  },
  SCR: { title: 'Scratch', offset: SCRATCH_OFFSET, access: 'read-write', bits: 8, fields: [] },
} as const satisfies Record<string, RegisterRow>;
