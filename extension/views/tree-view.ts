/** Shows nodes in a tree view of the debug side bar and keeps them in step with the session. */
import * as vscode from 'vscode';
import { COMMANDS, type ViewId } from '../../debug-adapter/protocol/ids.ts';
import { messageOf, type SessionChange, type Sessions } from '../debugging/session.ts';
import { contextValueOf, type NodeClick, type NodeColour, type ViewNode } from './node.ts';

const THEME_COLOURS: Readonly<Record<NodeColour, string>> = {
  error: 'list.errorForeground',
  changed: 'gitDecoration.modifiedResourceForeground',
  good: 'testing.iconPassed',
  muted: 'disabledForeground',
};

function clickCommand(click: NodeClick): vscode.Command {
  if (click.kind === 'memory') return { command: COMMANDS.openMemory, title: 'Open Memory', arguments: [click.memory] };
  if (click.kind === 'command') return { command: click.command, title: click.title };
  const position = new vscode.Position(Math.max(0, click.line - 1), 0);
  const options: vscode.TextDocumentShowOptions = { selection: new vscode.Range(position, position), preview: true };
  return { command: 'vscode.open', title: 'Go to Source', arguments: [vscode.Uri.file(click.path), options] };
}

function collapsibleState({ children, expanded }: ViewNode): vscode.TreeItemCollapsibleState {
  if (children === undefined || children.length === 0) return vscode.TreeItemCollapsibleState.None;
  return expanded === true ? vscode.TreeItemCollapsibleState.Expanded : vscode.TreeItemCollapsibleState.Collapsed;
}

function treeItem(node: ViewNode): vscode.TreeItem {
  const item = new vscode.TreeItem(node.label, collapsibleState(node));
  item.id = node.id;
  if (node.description !== undefined) item.description = node.description;
  if (node.tooltip !== undefined) item.tooltip = new vscode.MarkdownString(node.tooltip);
  if (node.icon !== undefined) {
    const { name, colour } = node.icon;
    item.iconPath = new vscode.ThemeIcon(
      name,
      colour === undefined ? undefined : new vscode.ThemeColor(THEME_COLOURS[colour]),
    );
  }
  if (node.click !== undefined) item.command = clickCommand(node.click);
  item.contextValue = contextValueOf(node);
  item.accessibilityInformation = { label: node.spoken ?? [node.label, node.description].filter(Boolean).join(', ') };
  return item;
}

class NodeTree implements vscode.TreeDataProvider<ViewNode> {
  readonly #changed = new vscode.EventEmitter<void>();
  #roots: readonly ViewNode[] = [];

  readonly onDidChangeTreeData = this.#changed.event;

  /** The old nodes stay on screen until these are complete: nothing flickers. */
  show(roots: readonly ViewNode[]): void {
    this.#roots = roots;
    this.#changed.fire();
  }

  getTreeItem(node: ViewNode): vscode.TreeItem {
    return treeItem(node);
  }

  /** Only roots are revealed, and they have none. */
  getParent(): undefined {
    return undefined;
  }

  /** The first node, where there is one. */
  get first(): ViewNode | undefined {
    return this.#roots[0];
  }

  getChildren(node?: ViewNode): ViewNode[] {
    return [...(node === undefined ? this.#roots : (node.children ?? []))];
  }
}

export interface Shown {
  readonly roots: readonly ViewNode[];
  /** Above the tree, wrapped: why there is nothing, for example. */
  readonly message?: string;
  /** Beside the view's title. */
  readonly description?: string;
}

export interface SessionViewOptions {
  readonly id: ViewId;
  readonly sessions: Sessions;
  /** Asks the adapter and builds what to show. `moved` is true when the machine has moved on since the view last showed it. */
  readonly load: (session: vscode.DebugSession, moved: boolean) => Promise<Shown>;
  /** The view shows nothing now, and will not say what changed when it does again. */
  readonly forget?: () => void;
}

/** A running guest is only worth a word when it keeps running: a step is over before one can read it. */
const RUNNING_AFTER_MS = 400;

/** A tree view about the current session: loads at every stop while it can be seen, and catches up when it is seen again. */
export class SessionView implements vscode.Disposable {
  readonly #options: SessionViewOptions;
  readonly #tree = new NodeTree();
  readonly #view: vscode.TreeView<ViewNode>;
  readonly #disposables: vscode.Disposable[];
  #stale = true;
  #moved = true;
  #loads = 0;
  #runningTimer: NodeJS.Timeout | undefined;

  constructor(options: SessionViewOptions) {
    this.#options = options;
    this.#view = vscode.window.createTreeView(options.id, { treeDataProvider: this.#tree, showCollapseAll: true });
    this.#disposables = [
      this.#view,
      this.#view.onDidChangeVisibility(({ visible }) => {
        if (visible && this.#stale) void this.refresh();
      }),
      options.sessions.onDidChange((change) => this.#follow(change)),
    ];
  }

  /** Loads again, after the person asked for something else to be shown. */
  async refresh(): Promise<void> {
    const session = this.#options.sessions.stopped;
    if (session === undefined) return;
    const load = ++this.#loads;
    this.#stale = false;
    const moved = this.#moved;
    this.#moved = false;
    let shown: Shown;
    try {
      shown = await this.#options.load(session, moved);
    } catch (error) {
      shown = { roots: [], message: messageOf(error) };
    }
    // A later load has begun: what it finds is newer.
    if (load !== this.#loads) return;
    this.#endRunning();
    this.#view.message = shown.message ?? '';
    this.#view.description = shown.description ?? '';
    this.#tree.show(shown.roots);
  }

  /** Brings the view to the front, opened, and loads it again; its first node comes into sight. */
  async reveal(): Promise<void> {
    await vscode.commands.executeCommand(`${this.#options.id}.focus`);
    await this.refresh();
    const { first } = this.#tree;
    if (first !== undefined) await this.#view.reveal(first, { select: false });
  }

  #follow({ session, kind }: SessionChange): void {
    if (session !== this.#options.sessions.current && kind !== 'ended') return;
    if (kind === 'resumed') {
      this.#beginRunning();
      return;
    }
    if (kind === 'ended') {
      if (this.#options.sessions.current !== undefined) return;
      this.#clear();
      return;
    }
    if (kind !== 'edited') this.#moved = true;
    this.#stale = true;
    if (this.#view.visible) void this.refresh();
    else this.#options.forget?.();
  }

  #clear(): void {
    this.#loads++;
    this.#stale = true;
    this.#moved = true;
    this.#endRunning();
    this.#options.forget?.();
    this.#view.message = '';
    this.#view.description = '';
    this.#tree.show([]);
  }

  #beginRunning(): void {
    this.#endRunning();
    this.#runningTimer = setTimeout(() => {
      this.#view.message = 'The machine is running; this is how it stood at its last stop.';
    }, RUNNING_AFTER_MS);
  }

  #endRunning(): void {
    clearTimeout(this.#runningTimer);
  }

  dispose(): void {
    this.#endRunning();
    for (const disposable of this.#disposables) disposable.dispose();
  }
}
