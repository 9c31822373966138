#!/usr/bin/env node
// Stands in for the `code` program: @vscode/test-electron starts it by path and passes it VS Code's arguments.
import { register } from 'tsx/esm/api';

register();
const { runAsCode } = await import('./vscode-wrapper.ts');
process.exit(await runAsCode(process.argv.slice(2)));
