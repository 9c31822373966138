/** Watches, hovers, the debug console, and changing what they show. */
import { VMCS_FIELD_KEYS } from '../engine/index.ts';
import { evaluate, evaluateText } from '../debugger/expression-evaluator.ts';
import type { Context, Value } from '../debugger/expression-evaluator.ts';
import { ExpressionError } from '../debugger/expression-tokens.ts';
import { parseAssignment, parseExpression } from '../debugger/expression-parser.ts';
import type { Expression } from '../debugger/expression-parser.ts';
import { ProcessorView } from '../debugger/processor.ts';
import { writePlace } from '../debugger/place.ts';
import { registerPartNames } from '../debugger/register-names.ts';
import { UserError } from '../debugger/user-error.ts';
import { formatValue, splitFormat } from '../present/value.ts';
import { memoryReference } from '../present/text.ts';
import type { Handlers } from '../session/handlers.ts';
import type { Session } from '../session/session.ts';

function contextOf(session: Session, frameId: number | undefined): Context {
  return { view: session.frame(frameId).view, symbols: session.target.symbols };
}

const refuse = (error: ExpressionError): never => {
  throw new UserError(`Column ${error.column}: ${error.message}`);
};

function evaluated(expression: Expression, context: Context): Value {
  const result = evaluate(expression, context);
  return result.ok ? result.value : refuse(result.error);
}

/** Writes and reads back: the value that is there afterwards. */
function assign(session: Session, target: Expression, value: Expression, context: Context): Value {
  const { machine } = session.stopped;
  const { place } = evaluated(target, context);
  if (!place)
    throw new UserError(`Column ${target.column}: only registers, flags, memory and vmcs.FIELD can be assigned.`);
  const problem = writePlace(machine, place, evaluated(value, context).number);
  if (problem !== undefined) throw new UserError(problem);
  if (place.kind === 'memory') session.memoryChanged(memoryReference(place.address, place.space), place.bytes);
  else session.stateChanged();
  const { view } = context;
  return evaluated(target, { ...context, view: new ProcessorView(machine, view.cpu, view.source) });
}

function show(value: Value, context: Context, format: string | undefined, hex = false) {
  const memory = value.place?.kind === 'memory' ? memoryReference(value.place.address, value.place.space) : undefined;
  return {
    text: formatValue(value, hex ? 'x' : format, context.symbols),
    reference: memory ?? memoryReference(value.number),
  };
}

export const evaluationRequests: Handlers<Session, 'evaluate' | 'setExpression' | 'completions'> = {
  evaluate: (session, args) => {
    const context = contextOf(session, args.frameId);
    const { text, format } = splitFormat(args.expression);
    // Only what a person types into the console may change anything: a hover or a watch never does.
    const assignment = args.context === 'repl' ? parseAssignment(text) : undefined;
    if (assignment instanceof ExpressionError) return refuse(assignment);
    let value: Value;
    if (assignment) value = assign(session, assignment.target, assignment.value, context);
    else {
      const parsed = parseExpression(text);
      value = parsed.ok ? evaluated(parsed.expression, context) : refuse(parsed.error);
    }
    const shown = show(value, context, format, args.format?.hex);
    return {
      result: shown.text,
      type: `${value.bits} bit${value.bits === 1 ? '' : 's'}`,
      variablesReference: 0,
      memoryReference: shown.reference,
    };
  },

  setExpression: (session, args) => {
    const context = contextOf(session, args.frameId);
    const target = parseExpression(splitFormat(args.expression).text);
    if (!target.ok) return refuse(target.error);
    const value = parseExpression(args.value);
    if (!value.ok) return refuse(value.error);
    const after = assign(session, target.expression, value.expression, context);
    return { value: show(after, context, undefined, args.format?.hex).text, variablesReference: 0 };
  },

  completions: (session, args) => {
    const before = (args.text.split('\n')[(args.line ?? 1) - 1] ?? '').slice(0, args.column - 1);
    const word = /[\w.$@?]*$/.exec(before)?.[0] ?? '';
    const start = before.length - word.length;
    const names = [
      ...[...registerPartNames()].map((label) => ({ label, type: 'variable' as const })),
      ...['byte', 'word', 'dword', 'qword'].map((label) => ({ label, type: 'keyword' as const })),
      ...VMCS_FIELD_KEYS.map((key) => ({ label: `vmcs.${key}`, type: 'field' as const })),
      ...(session.launched ? [...session.target.symbols.names()] : []).map((label) => ({
        label,
        type: 'function' as const,
      })),
    ];
    const wanted = word.toLowerCase();
    const targets = names
      .filter(({ label }) => label.toLowerCase().startsWith(wanted))
      .slice(0, 500)
      .map((item) => ({ ...item, start, length: word.length }));
    return { targets };
  },
};

/** An address as any request may give it: a number, a register, a symbol or an expression. */
export function addressOf(session: Session, text: string, frameId?: number): bigint {
  const result = evaluateText(text, contextOf(session, frameId));
  return result.ok ? result.value.number : refuse(result.error);
}
