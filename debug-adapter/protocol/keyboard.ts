/** `hyperstep/keyboardInput`: keys for the machine's keyboard, typed at the instruction it has reached; also while it runs. */

/** What is given is typed in this order. */
export interface KeyboardInputArguments {
  /** Typed on a US keyboard; a line end is Enter. */
  readonly text?: string;
  /** Keys and chords: `"Enter"`, `"F10"`, `"ArrowUp"`, `"Ctrl+Alt+Delete"`. */
  readonly keys?: readonly string[];
  /** Bytes of scan code set 1: what a view that sees keys go down and up has. */
  readonly scanCodes?: readonly number[];
}
