/**
 * `npm run layering`: the direction of knowledge and the absence of cycles, checked over every import of the product,
 * type-only imports included.
 */
import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { cruise, type ICruiseResult, type IForbiddenRuleType } from 'dependency-cruiser';
import { ENGINE_PARTS, engineReach, LAYERS, type EnginePart, type Layer } from './lib/layers.ts';
import { ROOT } from './lib/root.ts';

const ENGINE = '^debug-adapter/engine/';
const CYCLE = 'cycle';
const escape = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Path of a file of an npm package, or its bare name where nothing is installed under it (`vscode`). */
const packageFile = (name: string): string => `(^|/)node_modules/(@types/)?${escape(name)}/|^${escape(name)}(/|$)`;

/** Relative paths stay as written when nothing is there, which is UNRESOLVED's business. */
const NOT_FOUND = '^\\.{1,2}/';

function layerRule({ name, files, except, imports, packages, node }: Layer): IForbiddenRuleType {
  const allowed = [files, ...imports, ...packages.map(packageFile), NOT_FOUND];
  return {
    name,
    severity: 'error',
    from: { path: files, ...(except === undefined ? {} : { pathNot: except }) },
    to: {
      // A file of its own layer is allowed unless the layer was narrowed by `except`.
      pathNot: except === undefined ? allowed : allowed.filter((path) => path !== files),
      ...(node ? { dependencyTypesNot: ['core'] } : {}),
    },
  };
}

/** A narrowed layer may import the files it kept. */
function narrowed(layer: Layer): Layer {
  if (layer.except === undefined) return layer;
  return { ...layer, imports: [...layer.imports, `(?!${layer.except})${layer.files}`] };
}

function engineRules(): IForbiddenRuleType[] {
  const parts = Object.keys(ENGINE_PARTS) as EnginePart[];
  const direction = parts.map((part): IForbiddenRuleType => {
    const reach = engineReach(part);
    return {
      name: `engine/${part} imports only ${reach.join(', ')}`,
      severity: 'error',
      from: { path: `${ENGINE}${part}/` },
      to: { path: ENGINE, pathNot: `${ENGINE}(${reach.join('|')})/` },
    };
  });
  const unknownPart: IForbiddenRuleType = {
    name: 'every engine file lies in a part named in scripts/lib/layers.ts',
    severity: 'error',
    from: { path: ENGINE },
    to: { path: ENGINE, pathNot: `${ENGINE}((${parts.join('|')})/|index\\.ts$)` },
  };
  return [...direction, unknownPart];
}

const CYCLES: IForbiddenRuleType = { name: CYCLE, severity: 'error', from: {}, to: { circular: true } };

/** A file that cannot be found is a typing mistake now and a crash later. */
const UNRESOLVED: IForbiddenRuleType = {
  name: 'every import is found',
  severity: 'error',
  from: {},
  to: { couldNotResolve: true, pathNot: '^vscode$' },
};

export interface LayeringReport {
  /** One line per rule group, as printed. */
  readonly lines: readonly string[];
  readonly broken: boolean;
  readonly files: number;
}

/** Checks the given top folders (those that exist) below `baseDir`. */
export async function checkLayering(baseDir = ROOT, folders = ['debug-adapter', 'extension']): Promise<LayeringReport> {
  const groups = new Map<string, IForbiddenRuleType[]>();
  for (const layer of LAYERS) groups.set(layer.name, [layerRule(narrowed(layer))]);
  groups.set('inside the engine, knowledge goes one way', engineRules());
  groups.set('every import is found', [UNRESOLVED]);
  const { output } = await cruise(
    folders.filter((folder) => existsSync(`${baseDir}/${folder}`)),
    {
      baseDir,
      validate: true,
      ruleSet: { forbidden: [...groups.values(), [CYCLES]].flat() },
      tsPreCompilationDeps: true,
      doNotFollow: { path: 'node_modules' },
      exclude: { path: '\\.d\\.ts$' },
      // Packages that say in their `exports` where their files are.
      enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['node', 'import', 'default'] },
    },
  );
  const { summary, modules } = output as ICruiseResult;
  const files = modules.filter((module) => folders.some((folder) => module.source.startsWith(`${folder}/`))).length;
  const lines = [...groups].map(([name, rules]) => {
    const names = new Set(rules.map((rule) => rule.name));
    const found = summary.violations.filter((violation) => names.has(violation.rule.name));
    const details = found.map((violation) => {
      const why = violation.rule.name === name ? '' : ` (${violation.rule.name})`;
      return `\n  ${violation.from} imports ${violation.to}${why}`;
    });
    return `layering: ${name}: ${found.length === 0 ? 'ok' : `BROKEN${details.join('')}`}`;
  });
  const cycles = summary.violations.filter((violation) => violation.rule.name === CYCLE);
  const rings = new Set(
    cycles.map((violation) => [violation.from, ...(violation.cycle ?? []).map((step) => step.name)].join(' -> ')),
  );
  lines.push(
    rings.size === 0 ? `cycles: none in ${files} files` : `cycles: ${rings.size} BROKEN\n  ${[...rings].join('\n  ')}`,
  );
  return { lines, broken: summary.violations.length > 0, files };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const report = await checkLayering();
  console.log(report.lines.join('\n'));
  if (report.broken) process.exitCode = 1;
}
