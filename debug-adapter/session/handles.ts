/**
 * Numbers for rows that can be unfolded. A row is known by its path, so that it keeps its number over stops and the client
 * keeps it unfolded.
 */
export class PathHandles {
  private readonly numbers = new Map<string, number>();
  private readonly paths: string[] = [];

  of(path: string): number {
    let number = this.numbers.get(path);
    if (number === undefined) {
      number = this.paths.push(path);
      this.numbers.set(path, number);
    }
    return number;
  }

  path(number: number): string | undefined {
    return this.paths[number - 1];
  }
}
