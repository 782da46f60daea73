"""One well-formed message of each public stream, written out by hand from protocol section 2."""

WELL_FORMED = {
    "bookTicker": '{"data":{"A":"22.39","B":"288.77","E":1788367430247487,"T":1788367430246081,'
    '"a":"98.97","b":"98.96","e":"bookTicker","s":"SOL_USDC","u":4330360995},'
    '"stream":"bookTicker.SOL_USDC"}',
    "depth": '{"data":{"E":1788367430247494,"T":1788367430246081,"U":4330360995,'
    '"a":[["98.97","22.39"]],"b":[["98.90","0.00"]],"e":"depth","s":"SOL_USDC","u":4330360995},'
    '"stream":"depth.SOL_USDC"}',
    "depth.200ms": '{"data":{"E":1788367430247494,"T":1788367430246081,"U":4330360990,'
    '"a":[["98.97","22.39"]],"b":[],"e":"depth","s":"SOL_USDC","u":4330360995},'
    '"stream":"depth.200ms.SOL_USDC"}',
    "trade": '{"data":{"E":1788367469346470,"T":1788367469345000,"a":"59885446999",'
    '"b":"59885471228","e":"trade","m":false,"p":"98.98","q":"5.14","s":"SOL_USDC",'
    '"t":381737933},"stream":"trade.SOL_USDC"}',
    "ticker": '{"data":{"E":1790134358087727,"V":"154927125.41812","c":"86625","e":"ticker",'
    '"h":"86812.4","l":"85075.4","n":32259,"o":"85486.3","s":"BTC_USDC_PERP","v":"1801.83549"},'
    '"stream":"ticker.BTC_USDC_PERP"}',
    "kline": '{"data":{"E":1788367469510273,"e":"kline","s":"SOL_USDC","T":"2026-09-02T16:45:00",'
    '"X":false,"c":"98.98","h":"98.98","l":"98.98","n":1,"o":"98.98","t":"2026-09-02T16:44:00",'
    '"v":"5.14"},"stream":"kline.1m.SOL_USDC"}',
    "markPrice": '{"data":{"E":1790134357847601,"T":1790134357846930,"e":"markPrice",'
    '"f":"-0.0000039641039274236048482914","i":"340.52","n":1790136000000,"p":"340.43",'
    '"s":"AAPL.US_USDC_PERP"},"stream":"markPrice.AAPL.US_USDC_PERP"}',
    "openInterest": '{"data":{"E":1694687965941000,"e":"openInterest","o":"206529.68",'
    '"s":"SOL_USDC_PERP"},"stream":"openInterest.SOL_USDC_PERP"}',
    "liquidation": '{"data":{"E":1694688638091000,"S":"Bid","T":1694688638090000,'
    '"e":"liquidation","p":"18.70","q":"10","s":"kPEPE_USDC_PERP"},"stream":"liquidation"}',
    "externalTicker": '{"data":{"E":1790134358087727,"V":"1.5","c":"340.1","e":"externalTicker",'
    '"h":"341","l":"339","n":9,"o":"340","s":"AAPL.US_USDC"},"stream":"externalTicker.AAPL.US_USDC"}',
    "stockPrice": '{"data":{"ask":"340.2","bid":null,"mid":"340.15","session":"regular",'
    '"symbol":"AAPL","timestamp":1790134358087},"stream":"stockPrice.AAPL"}',
    "stockIndicativeQuote": '{"data":{"ask":"340.2","bid":"340.1","estimatedAsk":"340.3",'
    '"estimatedBid":"340.0","timestamp":1790134358087},"stream":"stockIndicativeQuote.AAPL"}',
}
