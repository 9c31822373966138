/** Names that package.json's `contributes`, the extension and the adapter must spell the same way. */

/** `type` of a launch configuration. */
export const DEBUG_TYPE = 'hyperstep';
/** Language of guest programs in NASM syntax. */
export const LANGUAGE_ID = 'nasm-guest';

export const VIEWS = {
  pageTables: 'hyperstep.pageTables',
  vmExits: 'hyperstep.vmExits',
  vmcs: 'hyperstep.vmcs',
} as const;
export type ViewId = (typeof VIEWS)[keyof typeof VIEWS];

/** Type of the editor that shows the guest's screen. */
export const SCREEN_PANEL = 'hyperstep.screen';

export const COMMANDS = {
  /** Debug the program in the active editor with default attributes. */
  debugFile: 'hyperstep.debugFile',
  /** Run it without stopping. */
  runFile: 'hyperstep.runFile',
  /** Resume until the next VM exit, whatever its reason. */
  runToNextExit: 'hyperstep.runToNextExit',
  /** Ask for an address and show its page walk. */
  walkAddress: 'hyperstep.walkAddress',
  /** Show the page walk of the variable or watch expression it is invoked on. */
  walkVariable: 'hyperstep.walkVariable',
  /** Ask which kind of access (read, write, execute; user or supervisor) the page walk is judged as. */
  chooseWalkAccess: 'hyperstep.chooseWalkAccess',
  /** Append older exits to the view of VM exits. */
  olderVmExits: 'hyperstep.olderVmExits',
  /** Open the memory behind a memory reference in the hex editor. */
  openMemory: 'hyperstep.openMemory',
  /** Change one VMCS field. */
  setVmcsField: 'hyperstep.setVmcsField',
  copyVmcs: 'hyperstep.copyVmcs',
  copyVmExits: 'hyperstep.copyVmExits',
  /** Open the guest's screen as an editor. */
  showScreen: 'hyperstep.showScreen',
  /** Put the text of the guest's screen on the clipboard. */
  copyScreen: 'hyperstep.copyScreen',
} as const;
