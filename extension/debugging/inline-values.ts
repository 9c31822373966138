/** Values beside the source line where the machine has stopped, and what a hover evaluates. */
import * as vscode from 'vscode';
import { expressionAt, registersNear } from './source-tokens.ts';

/** Lines above the current one whose registers are shown as well: the instructions that have just run. */
const LINES_ABOVE = 3;

export const inlineValues: vscode.InlineValuesProvider = {
  provideInlineValues(document, viewPort, context) {
    const current = context.stoppedLocation.end.line;
    const first = Math.max(viewPort.start.line, current - LINES_ABOVE);
    return registersNear((line) => document.lineAt(line).text, current, first).map(
      ({ line, start, end, text }) =>
        new vscode.InlineValueEvaluatableExpression(new vscode.Range(line, start, line, end), text),
    );
  },
};

export const evaluatableExpressions: vscode.EvaluatableExpressionProvider = {
  provideEvaluatableExpression(document, position) {
    const found = expressionAt((line) => document.lineAt(line).text, position.line, position.character);
    if (found === undefined) return undefined;
    const range = new vscode.Range(position.line, found.start, position.line, found.end);
    return new vscode.EvaluatableExpression(range, found.text);
  },
};
