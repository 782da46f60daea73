"""Well-formed messages of each stream, written out by hand from protocol sections 2 and 4."""

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
# Of an account (section 4): as captured, with all else that the page tells of, or as documented.
ACCOUNT = {
    "account.orderUpdate": '{"data":{"B":"MarkPrice","E":1754939110175879,"H":77,"I":"5406825700",'
    '"L":"4299.16","N":"ETH","O":"USER","P":"4300","Q":"4.30","S":"Bid","T":1754939110174705,'
    '"V":"RejectTaker","X":"PartiallyFilled","Y":"80%","Z":"4.299160","a":"4500","b":"4100",'
    '"c":4294967295,"d":"LastPrice","e":"orderFill","f":"GTC","g":"IndexPrice","i":"5406825793",'
    '"j":"4499.5","k":"4099.5","l":"0.0010","m":true,"n":"-0.000001","o":"LIMIT","p":"4299.20",'
    '"q":"0.0100","r":false,"s":"ETH_USDC","t":2888471,"y":true,"z":"0.0010"},'
    '"stream":"account.orderUpdate.ETH_USDC"}',
    "account.orderUpdate expired": '{"data":{"E":1754939110175880,"O":"LIQUIDATION_AUTOCLOSE",'
    '"Q":"0","R":"PriceOutOfBounds","S":"Ask","T":1754939110174706,"V":"RejectBoth","X":"Expired",'
    '"Z":"0","e":"orderExpired","f":"IOC","i":"5406825794","o":"MARKET","q":"1","r":true,'
    '"s":"AAPL.US_USDC_PERP","t":null,"z":"0"},"stream":"account.orderUpdate"}',
    "account.positionUpdate": '{"data":{"B":"4236.36","E":1754943862040486,"M":"4235.88650933",'
    '"P":"-0.000473","Q":"-0.0020","T":1754943862040487,"b":"4238.479","e":"positionOpened",'
    '"f":"0.02","i":5411399049,"l":"0","m":"0.0125","n":"-8.47177301866","p":"0","q":"-0.0010",'
    '"s":"ETH_USDC_PERP"},"stream":"account.positionUpdate"}',
    "account.positionUpdate initial": '{"data":[{"B":122,"M":122.5,"P":"0","Q":6,'
    '"b":123,"f":0.5,"i":"1111343026172067","m":0.01,"n":732,"p":"-1","q":5,"s":"SOL_USDC_PERP"},'
    '{"B":1.5e-7,"E":1754943862040486,"q":-20000,"s":"kBONK_USDC_PERP"}],'
    '"stream":"account.positionUpdate"}',
    "account.balanceUpdate": '{"data":{"A":"10.000000000000000001","E":1788368290063168,"L":"20",'
    '"S":"0","T":1788368290062981,"a":"USDT","e":"balanceUpdate"},'
    '"stream":"account.balanceUpdate"}',
    "account.rfqUpdate": '{"data":{"C":123,"E":1730225490648996,"L":"155","O":1730225540368,'
    '"Q":"150","R":113392053149171712,"S":"Bid","T":1730225490647080,"W":1730225540368,'
    '"X":"Filled","Z":"155","e":"rfqFilled","l":"10","o":"CollateralConversion","p":"15.50",'
    '"q":"10","s":"AAPL.US_USDC_RFQ","u":113392054083780608,"w":1730225480368,"z":"10"},'
    '"stream":"account.rfqUpdate"}',
}
EVERY = WELL_FORMED | ACCOUNT
