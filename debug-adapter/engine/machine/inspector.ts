/** Reads a machine for views. Nothing here sets an accessed bit, fills a TLB entry or pops a FIFO. */
import { ACTIVITY, EFER, VMX_NON_ROOT, VMX_ROOT } from '../cpu/control-bits.ts';
import { LAYOUT, SEGMENT_NAMES } from '../cpu/layout.ts';
import { isProtected, isVirtual8086 } from '../cpu/modes.ts';
import type { RegisterName } from '../cpu/registers.ts';
import type { CpuState } from '../cpu/state.ts';
import { loadPagingRegisters, pagingFacts, pagingMode, privilegeAt } from '../cpu/translation.ts';
import { meaningOf } from '../devices/device.ts';
import { textScreen, type TextScreen } from '../devices/vga-screen.ts';
import { newPagingRegisters, USER } from '../memory/paging.ts';
import { PAGE_BYTES } from '../memory/physical.ts';
import { PAGING_NAMES, reportEptWalk, reportWalk } from '../memory/walk-report.ts';
import type { EptWalk, Walk, WalkAccess } from '../memory/walk-types.ts';
import { VMCS_FIELD_KEYS } from '../vmx/vmcs-fields.ts';
import type { VmcsFieldKey, VmcsFieldWrite } from '../vmx/types.ts';
import type { Power } from './power.ts';
import type { ProcessorUnit } from './processor-unit.ts';
import type { AddressSpace, CpuModeView, Inspector, SegmentView, VmcsFieldView } from './types.ts';

export class MachineInspector implements Inspector {
  private readonly power: () => Power;
  /** The state views show: the guest's, also while a handler of the built-in hypervisor runs. */
  private readonly shown: (cpu: number) => CpuState;

  constructor(power: () => Power, shown: (cpu: number) => CpuState) {
    this.power = power;
    this.shown = shown;
  }

  private unit(cpu: number): ProcessorUnit {
    const unit = this.power().processors[cpu];
    if (unit === undefined) throw new Error(`Invariant broken: this machine has no processor ${cpu}`);
    return unit;
  }

  mode(cpu: number): CpuModeView {
    const state = this.shown(cpu);
    const cr0 = state.get32(LAYOUT.cr0);
    const cr4 = state.get32(LAYOUT.cr4);
    const long = (state.get32(LAYOUT.efer) & EFER.LMA) !== 0;
    const operation = !isProtected(state)
      ? 'real'
      : isVirtual8086(state)
        ? 'virtual-8086'
        : state.codeBits === 64
          ? '64-bit'
          : long
            ? 'compatibility'
            : 'protected';
    const paging = PAGING_NAMES[pagingMode(cr0, cr4, state.get32(LAYOUT.efer))];
    const mode = state.get32(LAYOUT.vmxMode);
    const activity = state.get32(LAYOUT.activity);
    return {
      operation,
      bits: state.codeBits,
      cpl: state.cpl as 0 | 1 | 2 | 3,
      paging,
      vmx: mode === VMX_NON_ROOT ? 'non-root' : mode === VMX_ROOT ? 'root' : 'off',
      activity:
        activity === ACTIVITY.active
          ? 'active'
          : activity === ACTIVITY.hlt
            ? 'hlt'
            : activity === ACTIVITY.shutdown
              ? 'shutdown'
              : 'wait-for-sipi',
    };
  }

  register(cpu: number, name: RegisterName): bigint {
    return this.shown(cpu).register(name);
  }

  segments(cpu: number): readonly SegmentView[] {
    const state = this.shown(cpu);
    return SEGMENT_NAMES.map((name) => ({ name, ...state.segment(name) }));
  }

  readMemory(space: AddressSpace, address: bigint, bytes: number, cpu: number): Uint8Array {
    const out = new Uint8Array(bytes);
    let done = 0;
    while (done < bytes) {
      const at = address + BigInt(done);
      const length = Math.min(bytes - done, PAGE_BYTES - Number(at & BigInt(PAGE_BYTES - 1)));
      const physical = this.hostPhysical(space, at, cpu);
      const part = physical === undefined ? new Uint8Array(0) : this.power().physical.peek(physical, length);
      out.set(part, done);
      done += part.length;
      if (part.length < length) return out.subarray(0, done);
    }
    return out;
  }

  /** Host-physical address behind an address of any space; undefined where nothing is mapped. */
  hostPhysical(space: AddressSpace, address: bigint, cpu: number): number | undefined {
    switch (space) {
      case 'linear': {
        const { hostPhysical, guestPhysical } = this.walk(address, { kind: 'read', user: false }, cpu);
        return hostPhysical ?? this.notMappedYet(guestPhysical);
      }
      case 'guest-physical': {
        const guestPhysical = Number(address);
        const walk = this.walkEpt(guestPhysical, { kind: 'read', user: false }, cpu);
        if (walk === undefined) return guestPhysical + this.power().guestBase;
        return walk.hostPhysical ?? this.notMappedYet(guestPhysical);
      }
      case 'host-physical':
        return Number(address);
    }
  }

  /** Pages that the built-in hypervisor has not mapped yet are there all the same. */
  private notMappedYet(guestPhysical: number | undefined): number | undefined {
    const { guestBase } = this.power();
    return guestPhysical === undefined || guestBase === 0 ? undefined : guestPhysical + guestBase;
  }

  private registers(cpu: number) {
    const registers = newPagingRegisters(pagingFacts(this.unit(cpu).cpu));
    loadPagingRegisters(this.shown(cpu), registers);
    return registers;
  }

  walk(linear: bigint, access: WalkAccess, cpu: number): Walk {
    const privilege = access.user ? USER : privilegeAt(this.shown(cpu), 0);
    return reportWalk(this.power().physical, this.registers(cpu), linear, access, privilege);
  }

  walkEpt(guestPhysical: number, access: WalkAccess, cpu: number): EptWalk | undefined {
    return reportEptWalk(this.power().physical, this.registers(cpu), guestPhysical, access);
  }

  vmcs(
    cpu: number,
  ): { readonly address: number; readonly launched: boolean; readonly fields: readonly VmcsFieldView[] } | undefined {
    const { vmx } = this.unit(cpu);
    const current = vmx.current;
    if (current === undefined) return undefined;
    const keys = VMCS_FIELD_KEYS.filter((key) => vmx.capabilities.hasField(key));
    return {
      address: current.address,
      launched: current.launched,
      fields: keys.map((key) => ({ key, value: current.read(key) })),
    };
  }

  lastVmcsWrite(field: VmcsFieldKey, cpu: number): VmcsFieldWrite {
    return this.unit(cpu).vmx.lastWrite(field);
  }

  devices() {
    return this.power().board.devices.map((device) => ({
      name: device.name,
      registers: device
        .registers()
        .map((register) => ({ name: register.name, value: register.value, meaning: meaningOf(register) })),
    }));
  }

  textScreen(): TextScreen {
    const { physical, guestBase, board } = this.power();
    return textScreen(board.vga.save(), (address, bytes) => physical.peek(guestBase + address, bytes));
  }
}
