import { attachNamed } from './attach.ts';
import type { CliContext } from './context.ts';

/** `lab logs`: prints logs, each line with its source before it if there are several. Throws LAB_NOT_RUNNING, LAB_NAME_UNKNOWN. */
export async function runLogs(
  context: CliContext,
  sources: readonly string[],
  flags: { readonly name: string; readonly follow?: boolean },
): Promise<void> {
  const client = await attachNamed(context, flags.name);
  const close = (): void => {
    client.close().catch(() => undefined);
  };
  context.interrupted.addEventListener('abort', close, { once: true });
  try {
    const { nodes } = await client.status();
    const all = sources.length > 0 ? sources : nodes.map((node) => `ztunnel@${node.name}`);
    const print = (source: string, lines: readonly string[]): void => {
      const prefix = all.length > 1 ? context.out.paint('cyan', `${source} `) : '';
      context.write(lines.map((line) => `${prefix}${line}\n`).join(''));
    };
    if (flags.follow === true) {
      await Promise.all(
        all.map((source) => client.followLog(source, (text) => print(source, text.replace(/\n$/, '').split('\n')))),
      );
      return;
    }
    for (const source of all) print(source, await client.log(source));
  } catch (error) {
    if (!context.interrupted.aborted) throw error;
  } finally {
    context.interrupted.removeEventListener('abort', close);
    await client.close();
  }
}
