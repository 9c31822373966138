/** Registers by iced number and by name: class, encoding number, width. */
import { Register, RegisterExt } from 'iced-x86';

export type RegisterClass =
  | 'gpr8'
  | 'gpr16'
  | 'gpr32'
  | 'gpr64'
  | 'segment'
  | 'cr'
  | 'dr'
  | 'tr'
  | 'ip'
  | 'mm'
  | 'xmm'
  | 'ymm'
  | 'zmm'
  | 'k'
  | 'st'
  | 'bnd'
  | 'tmm';

export interface RegisterInfo {
  /** iced `Register`. */
  readonly register: number;
  /** Lower case, as NASM writes it: `eax`, `r8b`, `spl`, `st0`. */
  readonly name: string;
  readonly class: RegisterClass;
  /** In encoding order, 0-15 (0-31 for vectors); for AH, CH, DH, BH the number of the register whose bits 15:8 they are. */
  readonly number: number;
  /** In bytes. */
  readonly bytes: number;
  /** AH, CH, DH, BH. */
  readonly highByte: boolean;
}

function classOf(register: Register): RegisterClass | undefined {
  if (RegisterExt.isGPR8(register)) return 'gpr8';
  if (RegisterExt.isGPR16(register)) return 'gpr16';
  if (RegisterExt.isGPR32(register)) return 'gpr32';
  if (RegisterExt.isGPR64(register)) return 'gpr64';
  if (RegisterExt.isSegmentRegister(register)) return 'segment';
  if (RegisterExt.isCR(register)) return 'cr';
  if (RegisterExt.isDR(register)) return 'dr';
  if (RegisterExt.isTR(register)) return 'tr';
  if (RegisterExt.isIP(register)) return 'ip';
  if (RegisterExt.isMM(register)) return 'mm';
  if (RegisterExt.isXMM(register)) return 'xmm';
  if (RegisterExt.isYMM(register)) return 'ymm';
  if (RegisterExt.isZMM(register)) return 'zmm';
  if (RegisterExt.isK(register)) return 'k';
  if (RegisterExt.isST(register)) return 'st';
  if (RegisterExt.isBND(register)) return 'bnd';
  if (RegisterExt.isTMM(register)) return 'tmm';
  return undefined;
}

/** iced numbers the 8-bit registers AL CL DL BL AH CH DH BH SPL BPL ... R15L from 0 to 19. */
function encodingNumber(register: Register): number {
  if (register >= Register.AH && register <= Register.BH) return register - Register.AH;
  if (register >= Register.SPL && register <= Register.R15L) return RegisterExt.number(register) - 4;
  return RegisterExt.number(register);
}

const byNumber: (RegisterInfo | undefined)[] = [];
const byName = new Map<string, RegisterInfo>();

for (const [key, value] of Object.entries(Register)) {
  if (typeof value !== 'number' || value === Register.None || key.startsWith('DontUse')) continue;
  const registerClass = classOf(value);
  if (registerClass === undefined) continue;
  const highByte = value >= Register.AH && value <= Register.BH;
  // iced calls the low bytes of R8-R15 R8L-R15L; the SDM (and NASM) also R8B-R15B, which is what people write.
  const name = /^R\d+L$/.test(key) ? `${key.slice(0, -1)}b`.toLowerCase() : key.toLowerCase();
  const info: RegisterInfo = {
    register: value,
    name,
    class: registerClass,
    number: encodingNumber(value),
    bytes: RegisterExt.size(value),
    highByte,
  };
  byNumber[value] = info;
  byName.set(name, info);
  if (/^R\d+L$/.test(key)) byName.set(key.toLowerCase(), info);
}

/** What an iced `Register` number is; undefined for 0 (no register) and numbers iced does not use. */
export function registerInfo(register: number): RegisterInfo | undefined {
  return byNumber[register];
}

/** The register of that name in any letter case (`R8L` and `R8B` are the same); undefined when there is none. */
export function registerByName(name: string): RegisterInfo | undefined {
  return byName.get(name) ?? byName.get(name.toLowerCase());
}

/** The general register of that class and encoding number, the low byte for `gpr8`; undefined when there is none. */
export function registerOf(registerClass: RegisterClass, number: number): RegisterInfo | undefined {
  return byNumber.find((info) => info?.class === registerClass && info.number === number && !info.highByte);
}

/** Every register once, in iced's order. */
export function allRegisters(): readonly RegisterInfo[] {
  return byNumber.filter((info) => info !== undefined);
}
