/** Runs on a node of the lab: the certificate service, with the decisions made by the test that started it. */
import { argv, stdin, stdout } from 'node:process';
import { createInterface } from 'node:readline';
import { listenCa, XdsError } from '@ambientmesh/xds';
import type { FrontAnswer, FrontConfig, FrontMessage } from './front-protocol.ts';

const config: FrontConfig = JSON.parse(argv[2] ?? '{}');
const waiting = new Map<number, (answer: FrontAnswer) => void>();
let lastId = 0;

createInterface({ input: stdin }).on('line', (line) => {
  const answer: FrontAnswer = JSON.parse(line);
  waiting.get(answer.id)?.(answer);
  waiting.delete(answer.id);
});
stdin.on('close', () => process.exit());

await listenCa<string>({
  ...config,
  authorize: (call) => Promise.resolve(call.impersonate ?? ''),
  sign: async (csrPem, wanted, validitySeconds) => {
    lastId += 1;
    const id = lastId;
    const answer = await new Promise<FrontAnswer>((resolve) => {
      waiting.set(id, resolve);
      say({ id, csrPem, wanted, validitySeconds });
    });
    if ('refusal' in answer) throw new XdsError('XDS_CALL_FAILED', answer.refusal, { grpcStatus: 'PERMISSION_DENIED' });
    return [...answer.chain];
  },
});
say({ listening: true });

function say(message: FrontMessage): void {
  stdout.write(`${JSON.stringify(message)}\n`);
}
