// Candles with decisions and fills, and the course of equity. Colours come from the style sheet.
import { clock, cents, price } from "./words.js";

const NEW_YORK = "America/New_York";
const HEAD_ROOM = { top: 0.1, bottom: 0.24 };
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const faded = (hex, part) => hex + Math.round(part * 255).toString(16).padStart(2, "0");

const candle = ([time, open, high, low, close]) => ({ time, open, high, low, close });
const byTime = (a, b) => a[0] - b[0];

export class MarketChart {
  constructor(place) {
    const charts = window.LightweightCharts;
    this.place = place;
    this.fresh = [];
    this.latest = 0;
    this.chart = charts.createChart(place, {
      autoSize: true,
      layout: { attributionLogo: false, fontSize: 11.5, fontFamily: getComputedStyle(document.body).fontFamily },
      localization: { timeFormatter: clock },
      timeScale: {
        timeVisible: true, secondsVisible: false, rightOffset: 4, barSpacing: 7, borderVisible: false, minBarSpacing: 1,
        tickMarkFormatter: clock,
      },
      rightPriceScale: { borderVisible: false, scaleMargins: HEAD_ROOM },
      crosshair: { mode: charts.CrosshairMode.Normal },
    });
    this.candles = this.chart.addSeries(charts.CandlestickSeries, { borderVisible: false, priceLineStyle: 2 });
    this.volume = this.chart.addSeries(charts.HistogramSeries, {
      priceScaleId: "volume", priceFormat: { type: "volume" }, lastValueVisible: false, priceLineVisible: false,
    });
    this.chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.84, bottom: 0 } });
    this.markers = charts.createSeriesMarkers(this.candles, []);
    this.read = document.createElement("p");
    this.read.className = "readout number";
    place.append(this.read);
    this.chart.subscribeCrosshairMove((moved) => this.#tell(moved));
  }

  paint() {
    const [up, down, line, ink] = ["buy", "sell", "line", "soft"].map(colour);
    this.chart.applyOptions({
      layout: { background: { color: "transparent" }, textColor: ink },
      grid: { vertLines: { visible: false }, horzLines: { color: faded(line, 0.7) } },
      crosshair: { vertLine: { color: colour("faint") }, horzLine: { color: colour("faint") } },
    });
    this.candles.applyOptions({ upColor: up, downColor: down, wickUpColor: up, wickDownColor: down });
    if (this.bars) this.show(this.bars, this.marks);
  }

  show(bars, marks) {
    this.bars = bars ?? new Map();
    const rows = [...this.bars.values()].sort(byTime);
    this.candles.setData(rows.map(candle));
    this.volume.setData(rows.map((row) => this.#column(row)));
    this.latest = rows.length ? rows[rows.length - 1][0] : 0;
    this.fresh = [];
    this.mark(marks ?? []);
    this.#veil();
  }

  changed(rows) {
    this.fresh.push(...rows);
  }

  update(bars) {
    if (!bars) return;
    const rows = this.fresh.sort(byTime);
    this.fresh = [];
    if (bars !== this.bars || rows.some((row) => row[0] < this.latest)) {
      this.show(bars, this.marks);
      return;
    }
    for (const row of rows) {
      this.candles.update(candle(row));
      this.volume.update(this.#column(row));
      this.latest = row[0];
    }
    this.#veil();
  }

  // What was filled needs no second sign for having been decided.
  mark(marks) {
    this.marks = marks;
    const filled = new Set(marks.filter((mark) => mark.kind === "fill").map((mark) => mark.time + mark.side));
    this.place.dataset.fills = marks.filter((mark) => mark.kind === "fill").length;
    const shown = marks.filter((mark) => mark.kind === "fill" || !filled.has(mark.time + mark.side));
    this.markers.setMarkers(shown.map((mark) => this.#sign(mark)).sort((a, b) => a.time - b.time));
  }

  #sign({ time, kind, side }) {
    const position = side === "buy" ? "belowBar" : "aboveBar";
    if (kind !== "fill") return { time, position, shape: "circle", color: colour("decided"), size: 0.5 };
    const shape = side === "buy" ? "arrowUp" : "arrowDown";
    return { time, position, shape, color: colour(side), size: 1 };
  }

  #column([time, open, , , close, volume]) {
    return { time, value: volume, color: faded(colour(close >= open ? "buy" : "sell"), 0.28) };
  }

  #veil() {
    const empty = document.getElementById("chart-empty");
    if (empty) empty.hidden = this.bars.size > 0;
    this.place.dataset.bars = this.bars.size;
  }

  #tell(moved) {
    const bar = moved.time && this.bars?.get(moved.time);
    const made = bar ? this.marks.filter((mark) => mark.time === moved.time && mark.kind === "fill") : [];
    const fills = made.map((mark) => ` · ${mark.side} ${mark.quantity} at ${price(mark.price)}`).join("");
    this.read.textContent = bar
      ? `${clock(bar[0])}  O ${price(bar[1])}  H ${price(bar[2])}  L ${price(bar[3])}  C ${price(bar[4])}  V ${bar[5]}${fills}`
      : "";
  }
}

export class EquityChart {
  constructor(place) {
    this.place = place;
    this.points = [];
    new ResizeObserver(() => this.plot?.setSize(this.#size())).observe(place);
  }

  paint() {
    this.plot?.destroy();
    this.plot = null;
    this.show(this.points);
  }

  show(points) {
    this.points = points.sort(byTime);
    const empty = this.place.querySelector(".empty");
    if (empty) empty.hidden = points.length > 1;
    if (points.length < 2) {
      this.plot?.destroy();
      this.plot = null;
      return;
    }
    const columns = [points.map((point) => point[0]), points.map((point) => point[1])];
    if (this.plot) this.plot.setData(columns);
    else this.plot = new window.uPlot(this.#options(), columns, this.place);
    this.#tell(points);
  }

  #tell(points) {
    const deepest = Math.max(...points.map((point) => point[2]));
    document.getElementById("course-more").textContent = `deepest drawdown ${cents(deepest)}`;
  }

  #size() {
    return { width: this.place.clientWidth, height: this.place.clientHeight };
  }

  #options() {
    const axis = { stroke: colour("soft"), grid: { show: false }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
    return {
      ...this.#size(),
      padding: [8, 22, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { size: 6 } },
      tzDate: (time) => window.uPlot.tzDate(new Date(time * 1e3), NEW_YORK),
      axes: [
        { ...axis, size: 26, space: 70, values: (_, times) => times.map(clock) },
        { ...axis, size: 66, space: 34, grid: { show: true, stroke: faded(colour("line"), 0.7), width: 1 },
          values: (_, values) => values.map((value) => value.toLocaleString("en-US", { maximumFractionDigits: 2 })) },
      ],
      series: [{}, { stroke: colour("accent"), width: 1.6, fill: faded(colour("accent"), 0.09), points: { show: false } }],
    };
  }
}
