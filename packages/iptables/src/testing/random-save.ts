import fc from 'fast-check';

/** Tables of the generated saves, each with the built-in chains that get rules. */
const TABLES = {
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
  mangle: ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'],
};
const OWN_CHAINS = ['C0', 'C1', 'C2', 'C3'] as const;
/** Few and short, so that rules repeat and move. */
const BODIES = [
  '-p tcp -m tcp --dport 1',
  '-p udp -m udp --sport 2:3',
  '-s 10.0.0.1/32',
  '! -d 10.0.0.2/32',
  '',
] as const;
const VERDICTS = ['ACCEPT', 'DROP', 'RETURN'] as const;
const MAX_RULES = 7;

/** Text as `iptables-save` prints it, of one or two tables that the kernel accepts: no chain leads back to itself. */
export function randomSave(): fc.Arbitrary<string> {
  return fc
    .record({ filter: randomTable('filter'), mangle: randomTable('mangle') }, { requiredKeys: ['filter'] })
    .map(({ filter, mangle }) => `${mangle ?? ''}${filter}`);
}

function randomTable(name: keyof typeof TABLES): fc.Arbitrary<string> {
  return fc
    .record({ own: fc.subarray([...OWN_CHAINS]), policies: fc.infiniteStream(fc.constantFrom('ACCEPT', 'DROP')) })
    .chain(({ own, policies }) => {
      const chains = [...TABLES[name], ...own];
      const rules = fc.tuple(...chains.map((chain) => randomChain(chain, own)));
      const declared = chains.map((chain) => (own.some((each) => each === chain) ? '-' : policies.next().value));
      return rules.map((texts) =>
        [
          `*${name}`,
          ...chains.map((chain, at) => `:${chain} ${declared[at]} [0:0]`),
          ...texts.flat(),
          'COMMIT',
          '',
        ].join('\n'),
      );
    });
}

/** Leads only to chains with a higher name. */
function randomChain(chain: string, own: readonly string[]): fc.Arbitrary<readonly string[]> {
  const later = own.filter((other) => !own.includes(chain) || other > chain);
  const target = fc.constantFrom(...VERDICTS, ...later);
  const rule = fc
    .tuple(fc.constantFrom(...BODIES), target)
    .map(([body, to]) => ['-A', chain, body, '-j', to].filter((word) => word !== '').join(' '));
  return fc.array(rule, { maxLength: MAX_RULES });
}
