/**
 * Who may import whom, as data. `scripts/layering.ts` turns it into dependency-cruiser rules; docs/architecture.md explains it.
 */

/** Parts of the engine and the parts each one builds on directly; what those build on is allowed as well. */
export const ENGINE_PARTS = {
  base: [],
  isa: ['base'],
  assembler: ['isa'],
  loader: ['isa'],
  memory: ['base'],
  cpu: ['isa', 'memory'],
  wasm: ['base'],
  instructions: ['isa', 'cpu', 'wasm'],
  execution: ['instructions'],
  vmx: ['cpu', 'instructions'],
  devices: ['base'],
  hypervisor: ['isa', 'assembler', 'memory', 'cpu', 'vmx', 'devices'],
  machine: ['assembler', 'loader', 'execution', 'vmx', 'devices', 'hypervisor'],
  analysis: ['machine'],
} as const satisfies Record<string, readonly string[]>;

export type EnginePart = keyof typeof ENGINE_PARTS;

/** The part itself and everything below it. */
export function engineReach(part: EnginePart): EnginePart[] {
  const reach = new Set<EnginePart>([part]);
  for (const below of ENGINE_PARTS[part]) for (const each of engineReach(below)) reach.add(each);
  return [...reach].sort();
}

/** One layer outside the engine: regular expressions over paths from the top of the repository. */
export interface Layer {
  /** Shown in the report: "layering: <name>: ok". */
  readonly name: string;
  readonly files: string;
  readonly except?: string;
  /** Project files it may import, besides its own. */
  readonly imports: readonly string[];
  /** npm packages it may import. */
  readonly packages: readonly string[];
  /** Whether it may import Node's own modules. */
  readonly node: boolean;
}

const ENGINE_INDEX = '^debug-adapter/engine/index\\.ts$';
const PROTOCOL = '^debug-adapter/protocol/';
const SERVER = '^extension/language/server/';
const PAGE = '^extension/views/[^/]+/page/';

export const LAYERS: readonly Layer[] = [
  {
    name: 'engine imports only engine and iced-x86',
    files: '^debug-adapter/engine/',
    imports: [],
    packages: ['iced-x86'],
    node: false,
  },
  { name: 'protocol imports nothing', files: PROTOCOL, imports: [], packages: [], node: false },
  {
    name: 'debugger imports only engine/index',
    files: '^debug-adapter/debugger/',
    imports: [ENGINE_INDEX],
    packages: [],
    node: false,
  },
  {
    name: 'requests, session and present import only debugger, engine/index and protocol',
    files: '^debug-adapter/(requests|session|present)/',
    imports: ['^debug-adapter/(requests|session|present|debugger|protocol)/', ENGINE_INDEX],
    packages: ['@vscode/debugadapter', '@vscode/debugprotocol'],
    node: true,
  },
  {
    name: 'the adapter imports neither vscode nor the extension, and the engine only through its index',
    files: '^debug-adapter/',
    except: '^debug-adapter/(engine|protocol|debugger|requests|session|present)/',
    imports: ['^debug-adapter/(?!engine/)', ENGINE_INDEX],
    packages: ['@vscode/debugadapter', '@vscode/debugprotocol'],
    node: true,
  },
  {
    name: 'the language server imports only engine/index',
    files: SERVER,
    imports: [ENGINE_INDEX],
    packages: ['vscode-languageserver', 'vscode-languageserver-textdocument'],
    node: true,
  },
  { name: 'pages import only protocol', files: PAGE, imports: [PROTOCOL], packages: [], node: false },
  {
    name: 'the extension imports only protocol',
    files: '^extension/',
    except: `${SERVER}|${PAGE}`,
    imports: [PROTOCOL],
    packages: ['vscode', 'vscode-languageclient', '@vscode/debugprotocol'],
    node: true,
  },
];
