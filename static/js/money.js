// @ts-check
// Money as people read it, exact underneath: USD strings become whole pico-USD.

const PICO = 1_000_000_000_000n;

/** Return pico-USD of the API's string, null for none (unpriced). */
export function picoOf(usd) {
  if (usd === null || usd === undefined || usd === "") return null;
  const [whole, fraction = ""] = usd.split(".");
  return BigInt(whole) * PICO + BigInt(fraction.padEnd(12, "0").slice(0, 12));
}

/** Return the API's string of an amount: exact, at least two decimals. */
export function usdOf(pico) {
  const fraction = (pico % PICO).toString().padStart(12, "0").replace(/0+$/, "").padEnd(2, "0");
  return `${pico / PICO}.${fraction}`;
}

/** Return what is shown: cents; below one dollar four decimals, or two significant digits, without trailing zeros.
 *  billing/money.py gives the same text; sessions/tests/support/amounts.py has examples for both. */
export function moneyText(pico) {
  if (pico === null) return "unpriced";
  const usd = Number(pico) / 1e12;
  if (pico === 0n || usd >= 1) return `$${usd.toFixed(2)}`;
  const [whole, fraction] = usd.toFixed(Math.max(4, 1 - Math.floor(Math.log10(usd)))).split(".");
  return `$${whole}.${fraction.replace(/0+$/, "").padEnd(2, "0")}`;
}

/** Show an amount in an element, the exact one in its title. */
export function showMoney(element, pico, before = "") {
  element.textContent = before + moneyText(pico);
  if (pico === null) element.removeAttribute("title");
  else element.title = `${usdOf(pico)} USD`;
}
