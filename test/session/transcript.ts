/**
 * Conversations as text, one line per message, compared with the `.txt` beside the test. UPDATE_GOLDEN=1 writes them anew.
 * What differs from machine to machine or run to run is replaced: the project's folder, and the numbers that name frames and
 * variables.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { DebugProtocol as P } from '@vscode/debugprotocol';
import { ROOT } from './client.ts';
import type { Body, Client } from './client.ts';

const UPDATE = process.env['UPDATE_GOLDEN'] === '1';

/** A line of output should be read at a glance. */
const WIDTH = 160;

function render(value: unknown, indent: string): string {
  if (typeof value === 'string' && value.trimEnd().includes('\n')) {
    const inner = `\n${indent}  | `;
    return inner + value.replace(/\n$/, '').split('\n').join(inner);
  }
  const flat = inline(value);
  if ((flat.length + indent.length <= WIDTH && !/\\n./.test(flat)) || typeof value !== 'object' || value === null)
    return flat;
  const inner = `${indent}  `;
  if (Array.isArray(value)) return `[\n${value.map((each) => inner + render(each, inner)).join('\n')}\n${indent}]`;
  const rows = Object.entries(value).map(([name, each]) => `${inner}${name}: ${render(each, inner)}`);
  return `{\n${rows.join('\n')}\n${indent}}`;
}

function inline(value: unknown): string {
  if (typeof value === 'string')
    return /^[\w.:/+\-<>[\], ]+$/.test(value) && value !== '' ? value : JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(inline).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return String(value);
  return `{ ${Object.entries(value)
    .map(([name, each]) => `${name}: ${inline(each)}`)
    .join(', ')} }`;
}

function normalised(value: unknown, key = ''): unknown {
  if (typeof value === 'string') return value.replaceAll(ROOT + path.sep, '').replaceAll('\\', '/');
  if (Array.isArray(value)) return value.map((each) => normalised(each));
  if (typeof value !== 'object' || value === null) return key === 'variablesReference' && value !== 0 ? 'N' : value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, normalised(each, name)]));
}

export interface TranscriptOptions {
  /** Requests whose whole answer would drown the rest: the lines to show instead. */
  readonly shorten?: Readonly<Record<string, (body: Body) => unknown>>;
  /** Events left out. */
  readonly without?: readonly string[];
}

export function transcriptOf(client: Client, { shorten = {}, without = [] }: TranscriptOptions = {}): string {
  const lines: string[] = [];
  for (const message of client.log) {
    if (message.type === 'request') {
      const { command, arguments: args } = message as P.Request;
      lines.push(`> ${command}${args === undefined ? '' : ` ${render(normalised(args), '')}`}`);
    } else if (message.type === 'response') {
      const response = message as P.Response;
      if (!response.success) lines.push(`< ${response.command} refused: ${String(normalised(response.message))}`);
      else {
        const short = shorten[response.command];
        const body: unknown = short ? short(response.body) : response.body;
        lines.push(`< ${response.command}${body === undefined ? '' : ` ${render(normalised(body), '')}`}`);
      }
    } else {
      const { event, body } = message as P.Event;
      if (!without.includes(event))
        lines.push(`! ${event}${body === undefined ? '' : ` ${render(normalised(body), '')}`}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

/** Compares with `<name>.txt` beside this file. */
export function compareTranscript(name: string, actual: string): void {
  const file = path.join(import.meta.dirname, `${name}.txt`);
  if (UPDATE) {
    writeFileSync(file, actual);
    return;
  }
  assert.ok(existsSync(file), `${name}.txt is missing: run with UPDATE_GOLDEN=1 and read what it writes`);
  assert.equal(actual, readFileSync(file, 'utf8'));
}
