// The page: messages of /events are merged into one state as they come, and drawn once in an animation frame.
import { MarketChart, EquityChart } from "./charts.js";
import * as panels from "./panels.js";

const MARKS_MAX = 2000;
const LINES_MAX = 300;

const state = {
  bars: new Map(), // symbol -> Map of time -> [time, open, high, low, close, volume]
  equity: new Map(), // time -> [time, dollars, drawdown]
  marks: [], reasons: [], models: [], positions: [], orders: [], halts: [], prices: {}, counts: {}, lines: [],
  session: null, drawdown: 0, day: null, symbol: null, book: {}, connected: false,
  status: { phase: "connecting", line: "connecting …" }, heardAt: 0,
};
const market = new MarketChart(document.getElementById("chart"));
const equity = new EquityChart(document.getElementById("equity-chart"));
const dirty = new Set();
let scheduled = false;

// -- merging ----------------------------------------------------------------------------------------------------------

function clear() {
  state.bars.clear();
  state.equity.clear();
  state.marks = [];
  state.reasons = [];
  dirty.add("whole");
}

function addBars(bars) {
  for (const [symbol, rows] of Object.entries(bars)) {
    if (!state.bars.has(symbol)) {
      state.bars.set(symbol, new Map());
      dirty.add("symbols");
    }
    const known = state.bars.get(symbol);
    for (const row of rows) known.set(row[0], row);
    if (symbol === state.symbol) market.changed(rows);
    if (rows.length) dirty.add("bars");
  }
}

const REPLACED = ["session", "positions", "orders", "halts", "prices", "counts", "drawdown", "day", "models", "reasons"];

const MERGERS = {
  bars: addBars,
  equity: (points) => points.forEach((point) => state.equity.set(point[0], point)),
  marks: (marks) => { state.marks = state.marks.concat(marks).slice(-MARKS_MAX); },
  status: (status) => { state.status = status; state.heardAt = performance.now(); },
  book: (book) => { state.book = book; },
  log: (lines) => { state.lines.push(...lines); state.lines.splice(0, state.lines.length - LINES_MAX); },
};

function merge(message) {
  if (message.reset) clear();
  for (const name of REPLACED) {
    if (name in message) {
      state[name] = message[name];
      dirty.add(name);
    }
  }
  for (const [name, take] of Object.entries(MERGERS)) {
    if (name in message) {
      take(message[name]);
      dirty.add(name);
    }
  }
}

// -- drawing ----------------------------------------------------------------------------------------------------------

const touched = (...names) => names.some((name) => dirty.has(name) || dirty.has("whole"));

function choose(symbol) {
  state.symbol = symbol;
  market.show(state.bars.get(symbol), state.marks.filter((mark) => mark.symbol === symbol));
  panels.showSymbols([...state.bars.keys()], symbol, choose);
  panels.showBook(state.book, state.symbol);
}

function drawMarket() {
  const symbols = [...state.bars.keys()];
  if (!symbols.includes(state.symbol)) state.symbol = symbols[0] ?? null;
  if (touched()) choose(state.symbol);
  if (touched("symbols")) panels.showSymbols(symbols, state.symbol, choose);
  if (touched("bars")) market.update(state.bars.get(state.symbol));
  if (touched("marks")) market.mark(state.marks.filter((mark) => mark.symbol === state.symbol));
}

function draw() {
  scheduled = false;
  drawMarket();
  if (touched("equity")) equity.show([...state.equity.values()]);
  if (touched("status", "halts", "session")) panels.showStatus(state);
  if (touched("session", "positions", "counts", "prices", "drawdown")) panels.showFigures(state);
  if (touched("reasons")) panels.showReasons(state);
  if (touched("orders")) panels.showOrders(state.orders);
  if (touched("models", "positions", "session")) panels.showModels(state);
  if (touched("book")) panels.showBook(state.book, state.symbol);
  if (touched("log")) panels.showLog(state.lines);
  if (touched("day")) panels.showDay(state.day);
  dirty.clear();
}

function schedule() {
  if (!scheduled) {
    scheduled = true;
    requestAnimationFrame(draw);
  }
}

// -- hearing ----------------------------------------------------------------------------------------------------------

const FROM_THE_START = { status: { phase: "lost", line: "the page has lost its daemon; trying again …" } };

function connect() {
  const source = new EventSource("/events");
  source.onopen = () => { state.connected = true; state.lines = []; };
  source.onmessage = (event) => { merge(JSON.parse(event.data)); schedule(); };
  source.onerror = () => {
    state.connected = false;
    merge(FROM_THE_START);
    schedule();
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 1000); // it was refused, and does not try again
  };
}

function follow(theme) {
  document.documentElement.dataset.theme = theme;
  market.paint();
  equity.paint();
}

function chooseTheme() {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const named = () => localStorage.getItem("theme") ?? (system.matches ? "dark" : "light");
  system.addEventListener("change", () => follow(named()));
  document.getElementById("theme").addEventListener("click", () => {
    localStorage.setItem("theme", named() === "dark" ? "light" : "dark");
    follow(named());
  });
  follow(named());
}

chooseTheme();
setInterval(() => panels.showClock(state), 250);
connect();
