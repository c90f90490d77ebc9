// Everything that is words and figures. What comes from models, brokers and symbols is set as text, never as markup.
import { cents, clockOf, moment, price, shares, signed, signOf } from "./words.js";

const at = (id) => document.getElementById(id);
const LEVELS = 6;
const OVER = new Set(["filled", "canceled", "expired", "rejected", "replaced"]);
const DOTS = {
  open: "open", waiting: "waiting", closing: "waiting", blocked: "bad", lost: "bad", "not running": "bad",
  "not answering": "bad",
};

function made(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.textContent = text;
  return element;
}

function tell(id, text, className) {
  const element = at(id);
  if (element.textContent !== text) element.textContent = text;
  if (className !== undefined && element.className !== className) element.className = className;
}

// -- the head ---------------------------------------------------------------------------------------------------------

export function showStatus({ status, halts, session }) {
  tell("line", status.line);
  at("line").title = status.line;
  at("dot").className = `dot ${DOTS[status.phase] ?? ""}`;
  at("dot").title = status.phase;
  const halted = [
    ...(status.halts ?? halts).map(haltText),
    ...Object.entries(session?.halted_symbols ?? {}).map(symbolHaltText),
  ];
  at("halts").hidden = !halted.length;
  at("halts").textContent = halted.join(" · ");
}

const haltText = (halt) =>
  `Halted: ${[halt.rule, halt.model && `of ${halt.model}`, halt.reason].filter(Boolean).join(", ")}; ends ${halt.ends}`;

const symbolHaltText = ([symbol, reason]) =>
  `Halted in ${symbol}: ${reason}; ends with the session, or by hftd resume --symbol ${symbol}`;

export function showClock({ status, heardAt }) {
  if (!status.time) return tell("clock", "");
  const passed = status.speed > 60 ? 0 : Math.min(performance.now() - heardAt, 3000) * status.speed;
  const speed = status.speed === 1 ? "" : `  ×${status.speed}`;
  tell("clock", moment(Date.parse(status.time) + passed).replace(",", "") + speed);
}

export function showDay(day) {
  if (!day) return;
  const date = new Date(`${day}T12:00:00Z`);
  tell("day", date.toLocaleDateString("en-GB", { weekday: "short", day: "numeric", month: "short", year: "numeric" }));
}

// -- figures ----------------------------------------------------------------------------------------------------------

export function showFigures({ session, positions, counts, prices, drawdown }) {
  if (!session) return;
  tell("pnl", signed(session.pnl), `number ${signOf(session.pnl)}`);
  tell("pnl-more", drawdown > 0 ? `${cents(drawdown)} below the best` : "at the best so far");
  tell("equity", cents(session.equity));
  tell("equity-more", "cash and what is held");
  tell("cash", cents(session.cash));
  tell("cash-more", counts.slippage ? `slippage so far ${cents(counts.slippage)}` : "no slippage so far");
  tell("orders-count", String(counts.orders ?? 0));
  tell("orders-more", ordersText(counts));
  showPosition(session.position, positions, prices);
  document.title = `${signed(session.pnl)} · hftd`;
}

function ordersText(counts) {
  const besides = [["refused", counts.refused], ["rejected", counts.rejected], ["late bars", counts.late_bars]];
  const more = besides.filter(([, count]) => count).map(([name, count]) => `${count} ${name}`);
  return [`${counts.fills ?? 0} fills`, `${counts.bars ?? 0} bars`, ...more].join(" · ");
}

function showPosition(position, rows, prices) {
  const held = Object.entries(position);
  const text = held.map(([symbol, quantity]) => `${quantity > 0 ? "+" : ""}${shares(quantity)} ${symbol}`);
  tell("position", text.length > 2 ? `${text.length} symbols` : text.join("  ") || "flat");
  at("position").title = text.join("  ");
  const unrealised = rows.reduce((sum, row) => sum + row.unrealised, 0);
  const last = Object.entries(prices);
  const market = last.length === 1 ? `${last[0][0]} ${price(last[0][1])}` : `${last.length} symbols followed`;
  tell("position-more", held.length ? `open ${signed(unrealised)} · ${market}` : market);
}

// -- decisions, orders, models ----------------------------------------------------------------------------------------

export function showReasons({ reasons, counts, bars }) {
  const rows = reasons.slice().reverse().map((reason) => {
    const row = made("li", reason.kind);
    const what = made("span", `what ${reason.side === "buy" ? "up" : "down"}`);
    what.textContent = `${reason.side} ${reason.quantity}`;
    const about = bars.size > 1 ? `${reason.symbol} · ` : "";
    const why = made("span", "why", about + (reason.reason || "no reason given"));
    why.title = `${reason.model}: ${reason.reason}`;
    row.append(made("time", "", clockOf(reason.at)), what, why);
    return row;
  });
  at("reasons").replaceChildren(...(rows.length ? rows : [made("p", "empty", "None yet in this session.")]));
  tell("decisions-more", counts.signals ? `${counts.signals} in all` : "");
}

export function showOrders(orders) {
  const working = orders.filter((order) => !OVER.has(order.status));
  const over = orders.filter((order) => OVER.has(order.status)).reverse();
  at("orders").replaceChildren(...[...working.reverse(), ...over].map(orderRow));
  tell("working-more", orders.length ? `${working.length} working` : "none yet");
}

function orderRow(order) {
  const row = made("tr", OVER.has(order.status) ? "over" : "");
  const done = order.filled && order.filled !== order.quantity ? `${shares(order.filled)} of ` : "";
  const wanted = order.limit_price === null ? "" : price(order.limit_price);
  row.append(
    made("td", order.side === "buy" ? "up" : "down", order.side),
    made("td", "", order.symbol),
    made("td", "right", done + shares(order.quantity)),
    made("td", "", order.type.replace("_", " ")),
    made("td", "", order.status.replaceAll("_", " ")),
    made("td", "right", order.average_price === null ? wanted : price(order.average_price)),
  );
  row.title = `${order.client_order_id} of ${order.model}`;
  return row;
}

export function showModels({ models, positions, session }) {
  const known = new Map((session?.models ?? []).map((model) => [model.model, model]));
  at("model-list").replaceChildren(...models.map((model) => {
    const card = made("div", "model");
    const running = known.get(model.model);
    const head = made("h3", "", model.model);
    head.append(made("small", "", running?.fingerprint ?? ""));
    if (running?.paused) head.append(made("span", "badge", "paused: it has failed; see the log"));
    const list = made("dl");
    const rows = [["symbols", model.symbols.join(", ")], ...Object.entries(model.parameters)];
    for (const [name, value] of rows) list.append(made("dt", "", name), made("dd", "", plain(value)));
    card.append(head, list, ...positions.filter((row) => row.model === model.model).map(heldText));
    return card;
  }));
}

const plain = (value) => (typeof value === "object" && value !== null ? JSON.stringify(value) : String(value));

function heldText(row) {
  const text = row.quantity ? `${shares(row.quantity)} ${row.symbol} at ${price(row.average_price)}` : `${row.symbol} flat`;
  const line = made("p", "held", `${text} · `);
  const profit = row.realised + row.unrealised;
  line.append(made("span", `number ${signOf(profit)}`, signed(profit)));
  return line;
}

// -- the order book ---------------------------------------------------------------------------------------------------

export function showBook(books, symbol) {
  const book = books[symbol];
  at("depth").hidden = !book;
  document.querySelector("main").classList.toggle("bookless", !book);
  if (!book) return;
  const asks = book.asks.slice(0, LEVELS).reverse();
  const bids = book.bids.slice(0, LEVELS);
  const most = Math.max(...[...asks, ...bids].map((level) => level[1]), 1);
  const [ask, bid] = [book.asks[0]?.[0], book.bids[0]?.[0]];
  const middle = made("div", "middle", ask && bid ? price((ask + bid) / 2) : "–");
  const row = (side) => (level) => levelRow(side, level, most);
  at("book").replaceChildren(...asks.map(row("ask")), middle, ...bids.map(row("bid")));
  tell("spread", ask && bid ? `${symbol} · spread ${price(ask - bid)}` : symbol);
}

function levelRow(side, [dollars, quantity], most) {
  const row = made("div", `level ${side}`);
  const bar = made("span", "bar");
  bar.style.width = `${(100 * quantity) / most}%`;
  row.append(bar, made("span", "price", price(dollars)), made("span", "", shares(quantity)));
  return row;
}

// -- log and symbols --------------------------------------------------------------------------------------------------

export function showLog(lines) {
  const list = at("lines");
  const follows = list.scrollHeight - list.scrollTop - list.clientHeight < 30;
  const shown = Number(list.lastElementChild?.dataset.number ?? 0);
  if (!lines.length || shown > lines[lines.length - 1].number) list.replaceChildren(); // the daemon was started anew
  const last = Number(list.lastElementChild?.dataset.number ?? 0);
  list.append(...lines.filter((line) => line.number > last).map(lineRow));
  while (list.childElementCount > 300) list.firstElementChild.remove();
  if (follows) list.scrollTop = list.scrollHeight;
}

function lineRow(line) {
  const row = made("li", line.level);
  row.dataset.number = line.number;
  row.append(made("time", "", line.time.slice(11)), made("b", "", line.event), made("span", "", line.text));
  return row;
}

export function showSymbols(symbols, chosen, choose) {
  at("symbols").replaceChildren(...(symbols.length > 1 ? symbols : []).map((symbol) => {
    const button = made("button", "", symbol);
    button.type = "button";
    button.setAttribute("aria-pressed", String(symbol === chosen));
    button.addEventListener("click", () => choose(symbol));
    return button;
  }));
}
