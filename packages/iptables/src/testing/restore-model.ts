/** What `iptables-restore --noflush` does with the lines of a plan, without a kernel. */
export class RestoreModel {
  /** Table, then chain, then its rules as listed. */
  readonly #tables = new Map<string, Map<string, string[]>>();
  readonly #policies = new Map<string, string>();

  /** `save`: as `iptables-save` prints it. */
  constructor(save: string) {
    this.#run(save);
  }

  /** Throws for anything a kernel would refuse: a chain that is missing, not empty or still led into. */
  restore(payload: string): void {
    this.#run(payload);
  }

  /** Tables and chains by name, with policies and rules. */
  list(): string {
    const lines: string[] = [];
    for (const table of [...this.#tables.keys()].toSorted())
      for (const chain of [...(this.#tables.get(table)?.keys() ?? [])].toSorted()) {
        const rules = this.#rulesOf(table, chain);
        lines.push(`${table} :${chain} ${this.#policies.get(`${table} ${chain}`)}`);
        lines.push(...rules.map((rule) => `${table} ${rule}`));
      }
    return lines.join('\n');
  }

  #run(text: string): void {
    let table = '';
    for (const line of text.split('\n').filter(Boolean)) {
      if (line.startsWith('*')) table = line.replace(/^\* ?/, '');
      else if (line !== 'COMMIT') this.#runLine(table, line);
    }
  }

  #runLine(table: string, line: string): void {
    const [command = '', chain = '', third = ''] = line.split(' ');
    if (command.startsWith(':')) return this.#declare(table, command.slice(1), chain);
    if (command === '-N') return this.#declare(table, chain, '-');
    if (command === '-P') {
      this.#rulesOf(table, chain);
      this.#policies.set(`${table} ${chain}`, third);
      return;
    }
    if (command === '-X') return this.#remove(table, chain);
    const target = / -[jg] (C\d+)/.exec(line)?.[1];
    if (target !== undefined) this.#rulesOf(table, target);
    changeRules(this.#rulesOf(table, chain), line);
  }

  #declare(table: string, chain: string, policy: string): void {
    const chains = this.#tables.get(table) ?? new Map<string, string[]>();
    if (chains.has(chain)) throw new Error(`${table} ${chain}: chain exists`);
    this.#tables.set(table, chains.set(chain, []));
    this.#policies.set(`${table} ${chain}`, policy);
  }

  #remove(table: string, chain: string): void {
    if (this.#rulesOf(table, chain).length > 0) throw new Error(`${table} ${chain}: not empty`);
    const rules = [...(this.#tables.get(table)?.values() ?? [])].flat();
    if (rules.some((rule) => rule.endsWith(` ${chain}`))) throw new Error(`${table} ${chain}: in use`);
    this.#tables.get(table)?.delete(chain);
    this.#policies.delete(`${table} ${chain}`);
  }

  #rulesOf(table: string, chain: string): string[] {
    const rules = this.#tables.get(table)?.get(chain);
    if (rules === undefined) throw new Error(`${table} ${chain}: no such chain`);
    return rules;
  }
}

function changeRules(rules: string[], line: string): void {
  const [command = '', chain = '', third = ''] = line.split(' ');
  const position = Number(third);
  if (command === '-A') rules.push(line);
  else if (command === '-F') rules.splice(0);
  else if (command === '-I') {
    if (position < 1 || position > rules.length + 1) throw new Error(`${line}: index too big`);
    rules.splice(position - 1, 0, `-A ${chain}${line.slice(`-I ${chain} ${third}`.length)}`);
  } else if (command === '-D') {
    const index = position > 0 ? position - 1 : rules.indexOf(line.replace('-D', '-A'));
    if (index < 0 || index >= rules.length) throw new Error(`${line}: no such rule`);
    rules.splice(index, 1);
  } else throw new Error(`${line}: unknown`);
}
