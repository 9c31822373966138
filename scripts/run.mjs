// Entry of every npm script: works on a fresh clone, before anything is installed. Plain JavaScript, Node's own modules only.
//   node scripts/run.mjs <command> [arguments]     runs scripts/<command>.ts
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

const ROOT = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), '..');
const OLDEST_NODE = { major: 20, minor: 19 };

/**
 * Says what is wrong and ends, without a stack trace.
 * @param {string} message
 * @returns {never}
 */
function stop(message) {
  console.error(message);
  process.exit(1);
}

/**
 * The first package whose installed version is not the locked one; undefined when `node_modules` is as the lock file says.
 * Packages for other operating systems are optional and may be absent.
 * @returns {string | undefined}
 */
function firstStalePackage() {
  const installedPath = path.join(ROOT, 'node_modules', '.package-lock.json');
  if (!existsSync(installedPath)) return 'node_modules';
  const locked = JSON.parse(readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8')).packages;
  const installed = JSON.parse(readFileSync(installedPath, 'utf8')).packages;
  return Object.keys(locked).find((name) => {
    if (name === '' || (locked[name].optional === true && installed[name] === undefined)) return false;
    return installed[name]?.version !== locked[name].version;
  });
}

function installPackages() {
  const stale = firstStalePackage();
  if (stale === undefined) return;
  console.log(`installing packages (npm ci): ${stale} is missing or out of date`);
  const npm = process.env['npm_execpath'];
  const options = /** @type {const} */ ({ cwd: ROOT, stdio: 'inherit' });
  const result =
    npm === undefined
      ? spawnSync('npm', ['ci'], { ...options, shell: process.platform === 'win32' })
      : spawnSync(process.execPath, [npm, 'ci'], options);
  if (result.status !== 0) stop('npm ci failed; its message is above.');
}

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < OLDEST_NODE.major || (major === OLDEST_NODE.major && minor < OLDEST_NODE.minor)) {
  stop(`Node ${OLDEST_NODE.major}.${OLDEST_NODE.minor} or newer is needed; this is ${process.versions.node}.`);
}
const [command, ...rest] = process.argv.slice(2);
const script = path.join(ROOT, 'scripts', `${command}.ts`);
if (command === undefined || !existsSync(script))
  stop(`usage: node scripts/run.mjs <command>; no command "${command}"`);
installPackages();
const child = spawnSync(process.execPath, ['--import=tsx', script, ...rest], {
  cwd: ROOT,
  stdio: 'inherit',
  env: { ...process.env, HYPERSTEP_CALLED_FROM: process.env['INIT_CWD'] ?? process.cwd() },
});
process.exit(child.status ?? 1);
