import ca.uhn.fhir.batch2.api.IJobMaintenanceService;
import ca.uhn.fhir.batch2.jobs.config.Batch2JobsConfig;
import ca.uhn.fhir.batch2.jobs.export.BulkDataExportProvider;
import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.interceptor.api.Hook;
import ca.uhn.fhir.interceptor.api.Interceptor;
import ca.uhn.fhir.interceptor.api.Pointcut;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings.ClientIdStrategyEnum;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings.IdStrategyEnum;
import ca.uhn.fhir.jpa.api.config.ThreadPoolFactoryConfig;
import ca.uhn.fhir.jpa.api.dao.IFhirSystemDao;
import ca.uhn.fhir.jpa.batch2.JpaBatch2Config;
import ca.uhn.fhir.jpa.binary.api.IBinaryStorageSvc;
import ca.uhn.fhir.jpa.binary.svc.NullBinaryStorageSvcImpl;
import ca.uhn.fhir.jpa.config.HapiJpaConfig;
import ca.uhn.fhir.jpa.config.r4.JpaR4Config;
import ca.uhn.fhir.jpa.config.util.HapiEntityManagerFactoryUtil;
import ca.uhn.fhir.jpa.interceptor.CascadingDeleteInterceptor;
import ca.uhn.fhir.jpa.model.config.PartitionSettings;
import ca.uhn.fhir.jpa.model.config.SubscriptionSettings;
import ca.uhn.fhir.jpa.model.dialect.HapiFhirH2Dialect;
import ca.uhn.fhir.jpa.provider.JpaCapabilityStatementProvider;
import ca.uhn.fhir.jpa.provider.JpaSystemProvider;
import ca.uhn.fhir.jpa.search.DatabaseBackedPagingProvider;
import ca.uhn.fhir.jpa.subscription.channel.config.SubscriptionChannelConfig;
import ca.uhn.fhir.jpa.subscription.submit.config.SubscriptionSubmitterConfig;
import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.rest.server.exceptions.AuthenticationException;
import ca.uhn.fhir.rest.server.provider.ResourceProviderFactory;
import ca.uhn.fhir.rest.server.util.ISearchParamRegistry;
import jakarta.persistence.EntityManagerFactory;
import jakarta.servlet.http.HttpServletRequest;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;
import org.apache.commons.dbcp2.BasicDataSource;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.springframework.beans.factory.config.ConfigurableListableBeanFactory;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.orm.jpa.JpaTransactionManager;
import org.springframework.orm.jpa.LocalContainerEntityManagerFactoryBean;
import org.springframework.transaction.annotation.EnableTransactionManagement;

/**
 * A HAPI FHIR R4 JPA server: Spring, H2 and Jetty. Settings are system properties named fhir.* (servers/README.md).
 * Argument: the port, 0 for a free one. Prints "READY url" once it answers; ends when its standard input ends,
 * so that it never outlives the test run that started it.
 */
@Configuration
@EnableTransactionManagement
@Import({JpaR4Config.class, HapiJpaConfig.class, ThreadPoolFactoryConfig.class, JpaBatch2Config.class,
    Batch2JobsConfig.class, SubscriptionChannelConfig.class, SubscriptionSubmitterConfig.class})
public class FhirServer {

  public static void main(String[] args) throws Exception {
    try {
      String host = setting("host", "127.0.0.1");
      int port = start(host, Integer.parseInt(args[0]));
      System.out.println("READY http://" + host + ":" + port + "/fhir");
      while (System.in.read() >= 0) { }
      System.exit(0);
    } catch (Exception failure) {
      failure.printStackTrace();
      System.exit(1); // otherwise Spring's threads keep the failed process alive
    }
  }

  static int start(String host, int port) throws Exception {
    var spring = new AnnotationConfigApplicationContext(FhirServer.class);
    var context = new ServletContextHandler("/");
    context.addServlet(new ServletHolder(spring.getBean(RestfulServer.class)), "/fhir/*");
    var jetty = new Server(new InetSocketAddress(host, port));
    jetty.setHandler(context);
    jetty.start();
    // Jobs ($export, _expunge) take one step per maintenance pass: one a second instead of one a minute.
    Executors.newSingleThreadScheduledExecutor().scheduleWithFixedDelay(
        spring.getBean(IJobMaintenanceService.class)::runMaintenancePass, 1, 1, TimeUnit.SECONDS);
    return ((ServerConnector) jetty.getConnectors()[0]).getLocalPort();
  }

  static String setting(String name, String fallback) {
    return System.getProperty("fhir." + name, fallback);
  }

  static boolean enabled(String name) {
    return Boolean.parseBoolean(setting(name, "true"));
  }

  static int number(String name, int fallback) {
    return Integer.parseInt(setting(name, String.valueOf(fallback)));
  }

  @Bean
  JpaStorageSettings storageSettings() {
    var s = new JpaStorageSettings();
    s.setResourceClientIdStrategy(ClientIdStrategyEnum.valueOf(setting("client_ids", "ANY")));
    s.setResourceServerIdStrategy(IdStrategyEnum.UUID); // a number given by the server could meet a client's
    s.setEnforceReferentialIntegrityOnWrite(enabled("integrity"));
    s.setEnforceReferentialIntegrityOnDelete(enabled("integrity"));
    s.setMaximumTransactionBundleSize(number("max_bundle", 1000));
    s.setAllowMultipleDelete(enabled("multiple_delete"));
    s.setExpungeEnabled(enabled("expunge"));
    s.setDeleteExpungeEnabled(enabled("expunge"));
    s.setReuseCachedSearchResultsForMillis(null); // every search sees the latest writes
    s.setEnableTaskBulkExportJobExecution(true);
    s.setJobFastTrackingEnabled(true);
    s.setEnableTaskPreExpandValueSets(false);
    return s;
  }

  @Bean
  PartitionSettings partitionSettings() {
    return new PartitionSettings();
  }

  @Bean
  SubscriptionSettings subscriptionSettings() {
    return new SubscriptionSettings(); // no channel type: subscriptions are off
  }

  @Bean
  IBinaryStorageSvc binaryStorage() {
    return new NullBinaryStorageSvcImpl();
  }

  @Bean(destroyMethod = "close")
  DataSource dataSource() {
    var source = new BasicDataSource();
    source.setUrl(setting("db", "jdbc:h2:mem:fhir;DB_CLOSE_DELAY=-1"));
    source.setUsername("sa");
    source.setMaxTotal(20);
    return source;
  }

  @Bean
  LocalContainerEntityManagerFactoryBean entityManagerFactory(
      ConfigurableListableBeanFactory beans, FhirContext fhir, JpaStorageSettings settings, DataSource source) {
    var factory = HapiEntityManagerFactoryUtil.newEntityManagerFactory(beans, fhir, settings);
    factory.setPersistenceUnitName("HAPI_PU");
    factory.setDataSource(source);
    factory.setJpaPropertyMap(Map.of(
        "hibernate.dialect", HapiFhirH2Dialect.class.getName(),
        "hibernate.hbm2ddl.auto", "update",
        "hibernate.jdbc.batch_size", "20",
        "hibernate.search.enabled", "false")); // no Lucene: searches with _text and _content are off
    return factory;
  }

  @Bean
  JpaTransactionManager transactionManager(EntityManagerFactory factory) {
    return new JpaTransactionManager(factory);
  }

  @Bean
  RestfulServer restfulServer(FhirContext fhir, IFhirSystemDao<?, ?> systemDao, JpaSystemProvider<?, ?> system,
      ResourceProviderFactory resources, JpaStorageSettings settings, ISearchParamRegistry searchParameters,
      IValidationSupport validation, DatabaseBackedPagingProvider paging, BulkDataExportProvider export,
      CascadingDeleteInterceptor cascade) {
    var server = new RestfulServer(fhir);
    server.registerProviders(resources.createProviders());
    server.registerProviders(system, export);
    server.setServerConformanceProvider(
        new JpaCapabilityStatementProvider(server, systemDao, settings, searchParameters, validation));
    paging.setDefaultPageSize(number("page_size", 20));
    paging.setMaximumPageSize(number("max_page_size", 1000));
    server.setPagingProvider(paging);
    if (enabled("cascade")) server.registerInterceptor(cascade);
    var credentials = new Credentials();
    if (!credentials.accepted.isEmpty()) server.registerInterceptor(credentials);
    return server;
  }

  /** Lets a request in with "Bearer {fhir.token}" or "Basic {fhir.basic = user:password}"; /metadata is open. */
  @Interceptor
  public static class Credentials {
    private final Set<String> accepted = new HashSet<>();

    Credentials() {
      String token = setting("token", null);
      String basic = setting("basic", null);
      if (token != null) accepted.add("Bearer " + token);
      if (basic != null)
        accepted.add("Basic " + Base64.getEncoder().encodeToString(basic.getBytes(StandardCharsets.UTF_8)));
    }

    @Hook(Pointcut.SERVER_INCOMING_REQUEST_PRE_PROCESSED) // before the body is read; later hooks come too late
    public void check(HttpServletRequest request) {
      boolean open = "/metadata".equals(request.getPathInfo());
      if (!open && !accepted.contains(String.valueOf(request.getHeader("Authorization"))))
        throw new AuthenticationException("Unknown or missing credentials").addAuthenticateHeaderForRealm("fhir");
    }
  }
}
