import type { OpenNamespace } from './namespace.ts';
import type { ToolResult } from './run-tool.ts';
import type { Tools } from './tools.ts';

/** An open namespace and the programs to run in it. */
export interface ToolPlace {
  readonly namespace: OpenNamespace;
  readonly tools: Tools;
  /** Runs a program in the namespace. Throws what `runInNamespace` throws. */
  run(argv: readonly [string, ...string[]], input?: string): Promise<ToolResult>;
}
