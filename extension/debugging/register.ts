/** Wires everything about starting and steering a debug session. */
import * as vscode from 'vscode';
import { DEBUG_TYPE } from '../../debug-adapter/protocol/ids.ts';
import { adapterLauncher } from './adapter-launcher.ts';
import { registerDebugCommands } from './commands.ts';
import { configurationProvider, dynamicConfigurations } from './configuration-provider.ts';
import { evaluatableExpressions, inlineValues } from './inline-values.ts';
import { ASSEMBLER_LANGUAGES } from './languages.ts';
import type { Sessions } from './session.ts';

export function registerDebugging(extensionUri: vscode.Uri, sessions: Sessions): vscode.Disposable {
  const languages = [...ASSEMBLER_LANGUAGES];
  return vscode.Disposable.from(
    vscode.debug.registerDebugConfigurationProvider(DEBUG_TYPE, configurationProvider),
    vscode.debug.registerDebugConfigurationProvider(
      DEBUG_TYPE,
      dynamicConfigurations,
      vscode.DebugConfigurationProviderTriggerKind.Dynamic,
    ),
    vscode.debug.registerDebugAdapterDescriptorFactory(DEBUG_TYPE, adapterLauncher(extensionUri)),
    vscode.languages.registerInlineValuesProvider(languages, inlineValues),
    vscode.languages.registerEvaluatableExpressionProvider(languages, evaluatableExpressions),
    registerDebugCommands(sessions),
  );
}
