import { explainPacket } from '../core/explain/explain-packet.ts';
import type { Explanation } from '../core/explain/explanation.ts';
import { parsePacket } from '../core/explain/parse-packet.ts';
import { describeRule, renderExplanation } from '../core/explain/render-explanation.ts';
import { IptablesError } from '../errors.ts';
import { type CommandIo, EXIT } from './command-io.ts';
import { guessFamily } from './guess-family.ts';
import { parseOptions } from './parse-options.ts';
import { readSave } from './read-save.ts';

const OPTIONS = {
  packet: { type: 'string' },
  json: { type: 'boolean', default: false },
  ipv6: { type: 'boolean', default: false },
} as const;

const JSON_INDENT = 2;

/** `explain SAVE --packet '…'`: a packet's way through a saved firewall. */
export async function runExplain(args: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parseOptions(args, OPTIONS);
  const [path, surplus] = positionals;
  if (path === undefined || surplus !== undefined) throw invalid("explain wants one save: explain SAVE --packet '…'");
  if (values.packet === undefined) throw invalid("explain wants a packet: --packet 'tcp dst 10.0.0.1:80 in eth0'");
  const packet = parsePacket(values.packet);
  const text = await io.readInput(path);
  const family = values.ipv6 ? 'ipv6' : (guessFamily(text) ?? packet.family ?? 'ipv4');
  const explanation = explainPacket(readSave({ path, text }, family), packet);
  io.write(values.json ? renderJson(explanation) : renderExplanation(explanation));
  return explanation.decided ? EXIT.success : EXIT.undecided;
}

/** The data as it is, and each rule also as text. */
function renderJson(explanation: Explanation): string {
  const steps = explanation.steps.map((step) =>
    step.step === 'rule' ? { ...step, text: describeRule(step.rule) } : step,
  );
  return `${JSON.stringify({ ...explanation, steps }, undefined, JSON_INDENT)}\n`;
}

function invalid(what: string): IptablesError {
  return new IptablesError('IPTABLES_COMMAND_INVALID', what);
}
