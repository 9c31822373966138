/** From a row of Variables or Watch to what is walked. */

/** What "Variables" and "Watch" pass to a command in a row's menu. */
export interface VariableContext {
  readonly variable?: { readonly evaluateName?: string; readonly value?: string; readonly memoryReference?: string };
  readonly evaluateName?: string;
  readonly name?: string;
  readonly value?: string;
}

/** A memory reference of a linear address is one; other address spaces are not walked. */
const isLinear = (reference: string | undefined): reference is string => /^0x[0-9a-f]+$/i.test(reference ?? '');

/** What to walk for a variable: the memory it stands for, else its value. */
export function expressionOfVariable(context: VariableContext | undefined): string | undefined {
  const variable = context?.variable;
  if (variable === undefined) return context?.evaluateName ?? context?.name;
  if (variable.evaluateName !== undefined) return variable.evaluateName;
  return isLinear(variable.memoryReference) ? variable.memoryReference : variable.value;
}
