/** The guest's console, line by line: what has no line end yet is given out when the machine stops. */
export class ConsoleLines {
  private readonly emit: (text: string) => void;
  private pending = '';
  private readonly decoder = new TextDecoder('utf-8');

  constructor(emit: (text: string) => void) {
    this.emit = emit;
  }

  push(bytes: Uint8Array): void {
    this.pending += this.decoder.decode(bytes, { stream: true }).replaceAll('\r', '');
    const end = this.pending.lastIndexOf('\n') + 1;
    if (end === 0) return;
    this.emit(this.pending.slice(0, end));
    this.pending = this.pending.slice(end);
  }

  flush(): void {
    if (this.pending === '') return;
    this.emit(this.pending);
    this.pending = '';
  }
}
