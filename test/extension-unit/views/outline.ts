/** Writes a tree of nodes as indented lines, so that a test reads as the view does. */
import type { ViewNode } from '../../../extension/views/node.ts';

export function outline(nodes: readonly ViewNode[], indent = ''): string[] {
  return nodes.flatMap((node) => {
    const marks = [node.icon?.colour === 'error' ? '!' : '', node.icon?.colour === 'changed' ? '*' : ''].join('');
    const text = [node.label, node.description].filter((part) => part !== undefined && part !== '').join(': ');
    return [`${indent}${marks}${text}`, ...outline(node.children ?? [], `${indent}  `)];
  });
}

/** Every identity in the tree; VS Code refuses a tree in which one occurs twice. */
export const identities = (nodes: readonly ViewNode[]): string[] =>
  nodes.flatMap((node) => [node.id, ...identities(node.children ?? [])]);

export function find(nodes: readonly ViewNode[], label: string): ViewNode {
  const all = (each: readonly ViewNode[]): ViewNode[] => each.flatMap((node) => [node, ...all(node.children ?? [])]);
  const found = all(nodes).find((node) => node.label === label);
  if (found === undefined) throw new Error(`no node is labelled ${label}`);
  return found;
}
