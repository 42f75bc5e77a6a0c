import { setTimeout as sleep } from 'node:timers/promises';
import { renderEndpoint } from '../wire/frame.ts';
import { CONTENT_NAMES, summarizeWire } from '../wire/wire-summary.ts';
import { attachNamed } from './attach.ts';
import type { CliContext } from './context.ts';
import { printTable } from './status-tables.ts';

/** `lab capture`: keeps frames until interrupted or for some seconds, then says what they were. Throws LAB_NOT_RUNNING, LAB_NAME_UNKNOWN, LAB_TOO_MANY_CAPTURES. */
export async function runCapture(
  context: CliContext,
  place: string,
  flags: { readonly name: string; readonly seconds?: number },
): Promise<void> {
  const { out, interrupted } = context;
  const client = await attachNamed(context, flags.name);
  try {
    const capture = await client.capture(place);
    if (flags.seconds === undefined) out.line('capturing until Ctrl-C');
    await sleep((flags.seconds ?? 86_400) * 1_000, undefined, { signal: interrupted }).catch(() => undefined);
    const summary = summarizeWire(await capture.stop());
    if (summary.ports.length === 0) out.line(`no TCP data seen at ${place}`);
    printTable(
      out,
      ['PORT', 'FRAMES', 'BYTES', 'CONTENT'],
      summary.ports.map(({ port, frames, bytes, content }) => [
        String(port),
        String(frames),
        String(bytes),
        CONTENT_NAMES[content],
      ]),
    );
    for (const { from, to, text } of summary.readableHttp) {
      out.line();
      out.line(`  ${renderEndpoint(from)} > ${renderEndpoint(to)}`);
      for (const line of text.split('\r\n')) out.line(`    ${line}`);
    }
  } finally {
    await client.close();
  }
}
