import { runCommand } from '../cli/run-command.ts';

/** Runs the command with files that are only in memory (`-` is standard input; a folder is a prefix of names); what it did; `terminal` is both streams. */
export async function runForTest(args: readonly string[], files: { readonly [path: string]: string } = {}) {
  const result = { code: -1, output: '', error: '', terminal: '', written: new Map<string, string>() };
  const print = (stream: 'output' | 'error', text: string): void => {
    result[stream] += text;
    result.terminal += text;
  };
  result.code = await runCommand(args, {
    readInput: (path) => {
      const text = files[path];
      return text === undefined ? Promise.reject(new Error(`no ${path}`)) : Promise.resolve(text);
    },
    listFiles: (path) => {
      const inside = Object.keys(files).filter((name) => name.startsWith(`${path}/`));
      return Promise.resolve(inside.length === 0 ? [path] : inside);
    },
    writeFile: (path, text) => {
      result.written.set(path, text);
      return Promise.resolve();
    },
    write: (text) => print('output', text),
    writeError: (text) => print('error', text),
    version: '1.2.3',
  });
  return result;
}
