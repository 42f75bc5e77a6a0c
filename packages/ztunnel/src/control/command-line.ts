import { renderVersion } from './version.ts';

/** What the command line asks for; `output` and `error` are to be printed as they are, each line ended. */
export type Command =
  | { readonly kind: 'proxy' }
  | { readonly kind: 'print'; readonly output: string; readonly error: string; readonly exitCode: number };

/** Reads the arguments after the program (spec ztunnel.md §1): the first is the command, the rest is ignored. */
export function parseCommandLine(args: readonly string[], istioVersion: string): Command {
  const name = args[0] ?? 'proxy';
  const version = renderVersion(istioVersion);
  if (name === 'proxy') return { kind: 'proxy' };
  if (name === 'version') return { kind: 'print', output: `${version}\n`, error: '', exitCode: 0 };
  const help = `
Istio Ztunnel (${version})

Commands:
proxy (default) - Start the ztunnel proxy
version         - Print the version of ztunnel
help            - Print commands and version of ztunnel
`;
  if (name === 'help') return { kind: 'print', output: help, error: '', exitCode: 0 };
  return { kind: 'print', output: help, error: `unknown command: ${name}\n`, exitCode: 1 };
}
